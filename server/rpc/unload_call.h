#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <vector>

#include "server/rpc/call_record.h"
#include "spikeserve/v1/network.pb.h"

namespace spikeserve::rpc {

// One UnloadNetwork call: answered once memory and files are gone. A client that leaves before stops
// nothing. Deletes itself when it is over.
class UnloadCall final : public grpc::ServerUnaryReactor {
 public:
  // Begins the call. `response` lives as long as it does.
  static grpc::ServerUnaryReactor* Start(const ServiceContext& context,
                                         const grpc::CallbackServerContext& call,
                                         const v1::UnloadNetworkRequest& request,
                                         v1::UnloadNetworkResponse& response);

  void OnDone() override { delete this; }

 private:
  UnloadCall(const ServiceContext& context, v1::UnloadNetworkResponse& response)
      : context_(context), response_(response), record_(context, "UnloadNetwork") {}

  Status Post(const grpc::CallbackServerContext& call, const v1::UnloadNetworkRequest& request);
  void Answer(const Result<std::vector<std::int64_t>>& unloaded) noexcept;

  const ServiceContext& context_;
  v1::UnloadNetworkResponse& response_;
  CallRecord record_;
};

}  // namespace spikeserve::rpc
