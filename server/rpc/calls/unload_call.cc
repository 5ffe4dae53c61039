#include "server/rpc/calls/unload_call.h"

#include <utility>

#include "server/base/guarded.h"
#include "server/rpc/decode/upload_header.h"
#include "server/rpc/wire/wire.h"

namespace spikeserve::rpc {

grpc::ServerUnaryReactor* UnloadCall::Start(const ServiceContext& context, grpc::CallbackServerContext& call,
                                            const grpc::ByteBuffer& request, grpc::ByteBuffer& response) {
  auto* self = new UnloadCall(context, call, response);
  const Status status = Guarded([&] { return self->Post(request); });
  if (!status.ok()) {
    self->Answer(status);
  }
  return self;  // gone only after gRPC has taken it
}

UnloadCall::~UnloadCall() {
  if (Status status = context_.watch.Stop(call_); !status.ok()) {
    record_.SetStatus(status);
  }
}

// Behind the loads that were asked for before, so that none of them loses its file.
Status UnloadCall::Post(const grpc::ByteBuffer& bytes) {
  if (!pass_.status().ok()) {
    return pass_.status();
  }
  if (Status status = context_.authorizer.Check(call_, Scope::kAdmin); !status.ok()) {
    return status;
  }
  v1::UnloadNetworkRequest request;
  if (Status status = ParseSmall(bytes, request); !status.ok()) {
    return status;
  }
  if (Status status = CheckNetworkName(request.name(), request.version()); !status.ok()) {
    return status;
  }
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
    if (!unloaded.ok()) {
      return unloaded.status();
    }
    v1::UnloadNetworkResponse response;
    for (const std::int64_t version : unloaded.value()) {
      response.add_versions(version);
    }
    auto bytes = Serialize(response);
    if (!bytes.ok()) {
      return bytes.status();
    }
    response_ = std::move(bytes).value();
    return {};
  });
  record_.SetStatus(status);
  context_.watch.Start(call_);
  Finish(record_.ToGrpc(status));
}

}  // namespace spikeserve::rpc
