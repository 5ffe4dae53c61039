#include "server/rpc/unload_call.h"

#include <utility>

#include "server/rpc/status.h"
#include "server/rpc/upload_header.h"

namespace spikeserve::rpc {

grpc::ServerUnaryReactor* UnloadCall::Start(const ServiceContext& context,
                                            const grpc::CallbackServerContext& call,
                                            const v1::UnloadNetworkRequest& request,
                                            v1::UnloadNetworkResponse& response) {
  auto* self = new UnloadCall(context, response);
  const Status status = Guarded([&] { return self->Post(call, request); });
  if (!status.ok()) self->Answer(status);
  return self;  // gone only after gRPC has taken it
}

// Behind the loads that were asked for before, so that none of them loses its file.
Status UnloadCall::Post(const grpc::CallbackServerContext& call, const v1::UnloadNetworkRequest& request) {
  if (Status status = context_.authorizer.Check(call, Scope::kAdmin); !status.ok()) return status;
  if (Status status = CheckNetworkName(request.name(), request.version()); !status.ok()) return status;
  record_.network = request.name();
  record_.version = request.version();
  context_.tasks.Post([this, name = request.name(), version = request.version()] {
    context_.loader.Unload(name, version,
                           [this](Result<std::vector<std::int64_t>> result) { Answer(result); });
  });
  return {};
}

void UnloadCall::Answer(const Result<std::vector<std::int64_t>>& unloaded) noexcept {
  const Status status = Guarded([&]() -> Status {
    if (!unloaded.ok()) return unloaded.status();
    for (const std::int64_t version : unloaded.value()) response_.add_versions(version);
    return {};
  });
  record_.SetStatus(status);
  Finish(ToGrpc(status));
}

}  // namespace spikeserve::rpc
