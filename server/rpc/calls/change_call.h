#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "server/rpc/context/call_gate.h"
#include "server/rpc/context/call_record.h"
#include "spikeserve/v1/network.pb.h"

namespace spikeserve::rpc {

// One call that changes which networks there are or how they are called: UnloadNetwork, SetAlias,
// DeleteAlias. Checked at once, done on the task thread behind the loads and changes that were asked for
// before, and answered when it is. A client that leaves before stops nothing. Deletes itself when it is over.
class ChangeCall final : public grpc::ServerUnaryReactor {
 public:
  // Begin the call. `response` lives as long as it does.
  static grpc::ServerUnaryReactor* Unload(const ServiceContext& context, grpc::CallbackServerContext& call,
                                          const grpc::ByteBuffer& request, grpc::ByteBuffer& response);
  static grpc::ServerUnaryReactor* SetAlias(const ServiceContext& context, grpc::CallbackServerContext& call,
                                            const grpc::ByteBuffer& request, grpc::ByteBuffer& response);
  static grpc::ServerUnaryReactor* DeleteAlias(const ServiceContext& context,
                                               grpc::CallbackServerContext& call,
                                               const grpc::ByteBuffer& request, grpc::ByteBuffer& response);

  void OnDone() override { delete this; }

 private:
  ChangeCall(const ServiceContext& context, grpc::CallbackServerContext& call, const char* method,
             grpc::ByteBuffer& response)
      : context_(context),
        call_(call),
        pass_(context.gate, call),
        response_(response),
        record_(context, call, method) {}
  ~ChangeCall() override;

  // Does `post` where the call may, and answers what it says unless that is OK.
  grpc::ServerUnaryReactor* Begin(const std::function<Status()>& post);
  Status PostUnload(const grpc::ByteBuffer& bytes);
  Status PostSetAlias(const grpc::ByteBuffer& bytes);
  Status PostDeleteAlias(const grpc::ByteBuffer& bytes);
  void AnswerUnload(const Result<std::vector<std::int64_t>>& unloaded) noexcept;
  Status Send(const google::protobuf::MessageLite& message);
  // The last thing that is done here: the call may be gone afterwards.
  void FinishWith(const Status& status) noexcept;

  const ServiceContext& context_;
  grpc::CallbackServerContext& call_;
  CallGate::Pass pass_;
  grpc::ByteBuffer& response_;
  CallRecord record_;
};

}  // namespace spikeserve::rpc
