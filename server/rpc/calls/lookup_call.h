#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include "server/rpc/context/call_record.h"
#include "server/serving/memory_budget.h"
#include "spikeserve/v1/network.pb.h"

namespace spikeserve::rpc {

// One GetNetwork or ListNetworks call: checks the token, then the size of the message, and only then reads
// it. Holds the memory reserved for the answer until it is sent. Deletes itself when it is over.
class LookupCall final : public grpc::ServerUnaryReactor {
 public:
  // Begin the call; `response` lives as long as it does.
  static grpc::ServerUnaryReactor* Get(const ServiceContext& context, grpc::CallbackServerContext& call,
                                       const grpc::ByteBuffer& request, grpc::ByteBuffer& response);
  static grpc::ServerUnaryReactor* List(const ServiceContext& context, grpc::CallbackServerContext& call,
                                        const grpc::ByteBuffer& request, grpc::ByteBuffer& response);

  void OnDone() override { delete this; }

 private:
  LookupCall(const ServiceContext& context, const char* method, grpc::CallbackServerContext& call,
             grpc::ByteBuffer& response)
      : context_(context), call_(call), record_(context, method), response_(response) {}
  ~LookupCall() override;

  Status AnswerGet(const grpc::ByteBuffer& request);
  Status AnswerList(const grpc::ByteBuffer& request);
  Status Reserve(std::int64_t info_bytes);
  Status Send(const google::protobuf::MessageLite& message);
  void FinishWith(const Status& status);

  const ServiceContext& context_;
  grpc::CallbackServerContext& call_;
  CallRecord record_;
  grpc::ByteBuffer& response_;
  serving::MemoryBudget::Reservation reservation_;
};

}  // namespace spikeserve::rpc
