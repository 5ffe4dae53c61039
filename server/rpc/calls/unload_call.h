#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <vector>

#include "server/rpc/context/call_gate.h"
#include "server/rpc/context/call_record.h"
#include "spikeserve/v1/network.pb.h"

namespace spikeserve::rpc {

// One UnloadNetwork call: answered once memory and files are gone. A client that leaves before stops
// nothing. Deletes itself when it is over.
class UnloadCall final : public grpc::ServerUnaryReactor {
 public:
  // Begins the call. `response` lives as long as it does.
  static grpc::ServerUnaryReactor* Start(const ServiceContext& context, grpc::CallbackServerContext& call,
                                         const grpc::ByteBuffer& request, grpc::ByteBuffer& response);

  void OnDone() override { delete this; }

 private:
  UnloadCall(const ServiceContext& context, grpc::CallbackServerContext& call, grpc::ByteBuffer& response)
      : context_(context),
        call_(call),
        pass_(context.gate, call),
        response_(response),
        record_(context, call, "UnloadNetwork") {}
  ~UnloadCall() override;

  Status Post(const grpc::ByteBuffer& bytes);
  void Answer(const Result<std::vector<std::int64_t>>& unloaded) noexcept;

  const ServiceContext& context_;
  grpc::CallbackServerContext& call_;
  CallGate::Pass pass_;
  grpc::ByteBuffer& response_;
  CallRecord record_;
};

}  // namespace spikeserve::rpc
