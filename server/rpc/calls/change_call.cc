#include "server/rpc/calls/change_call.h"

#include <utility>

#include "server/base/guarded.h"
#include "server/rpc/decode/upload_header.h"
#include "server/rpc/wire/wire.h"
#include "server/serving/networks/aliases.h"

namespace spikeserve::rpc {

grpc::ServerUnaryReactor* ChangeCall::Unload(const ServiceContext& context, grpc::CallbackServerContext& call,
                                             const grpc::ByteBuffer& request, grpc::ByteBuffer& response) {
  auto* self = new ChangeCall(context, call, "UnloadNetwork", response);
  return self->Begin([&] { return self->PostUnload(request); });
}

grpc::ServerUnaryReactor* ChangeCall::SetAlias(const ServiceContext& context,
                                               grpc::CallbackServerContext& call,
                                               const grpc::ByteBuffer& request, grpc::ByteBuffer& response) {
  auto* self = new ChangeCall(context, call, "SetAlias", response);
  return self->Begin([&] { return self->PostSetAlias(request); });
}

grpc::ServerUnaryReactor* ChangeCall::DeleteAlias(const ServiceContext& context,
                                                  grpc::CallbackServerContext& call,
                                                  const grpc::ByteBuffer& request,
                                                  grpc::ByteBuffer& response) {
  auto* self = new ChangeCall(context, call, "DeleteAlias", response);
  return self->Begin([&] { return self->PostDeleteAlias(request); });
}

ChangeCall::~ChangeCall() {
  if (Status status = context_.watch.Stop(call_); !status.ok()) {
    record_.SetStatus(status);
  }
}

grpc::ServerUnaryReactor* ChangeCall::Begin(const std::function<Status()>& post) {
  const Status status = Guarded([&]() -> Status {
    if (!pass_.status().ok()) {
      return pass_.status();
    }
    if (Status allowed = context_.authorizer.Check(call_, Scope::kAdmin); !allowed.ok()) {
      return allowed;
    }
    return post();
  });
  if (!status.ok()) {
    FinishWith(status);
  }
  return this;  // gone only after gRPC has taken it
}

Status ChangeCall::PostUnload(const grpc::ByteBuffer& bytes) {
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
                           [this](Result<std::vector<std::int64_t>> result) { AnswerUnload(result); });
  });
  return {};
}

void ChangeCall::AnswerUnload(const Result<std::vector<std::int64_t>>& unloaded) noexcept {
  FinishWith(Guarded([&]() -> Status {
    if (!unloaded.ok()) {
      return unloaded.status();
    }
    v1::UnloadNetworkResponse response;
    for (const std::int64_t version : unloaded.value()) {
      response.add_versions(version);
    }
    return Send(response);
  }));
}

Status ChangeCall::PostSetAlias(const grpc::ByteBuffer& bytes) {
  v1::SetAliasRequest request;
  if (Status status = ParseSmall(bytes, request); !status.ok()) {
    return status;
  }
  if (Status status = CheckNetworkName(request.name(), request.version()); !status.ok()) {
    return status;
  }
  record_.network = request.name();
  record_.version = request.version();
  context_.tasks.Post([this, request = std::move(request)] {
    FinishWith(Guarded([&]() -> Status {
      const auto versions = context_.aliases.Set(request.name(), request.alias(), request.version());
      if (!versions.ok()) {
        return versions.status();
      }
      v1::SetAliasResponse response;
      response.set_version(versions.value().first);
      response.set_previous_version(versions.value().second);
      return Send(response);
    }));
  });
  return {};
}

Status ChangeCall::PostDeleteAlias(const grpc::ByteBuffer& bytes) {
  v1::DeleteAliasRequest request;
  if (Status status = ParseSmall(bytes, request); !status.ok()) {
    return status;
  }
  if (Status status = CheckNetworkName(request.name(), 0); !status.ok()) {
    return status;
  }
  record_.network = request.name();
  context_.tasks.Post([this, request = std::move(request)] {
    FinishWith(Guarded([&]() -> Status {
      const auto version = context_.aliases.Delete(request.name(), request.alias());
      if (!version.ok()) {
        return version.status();
      }
      v1::DeleteAliasResponse response;
      response.set_version(version.value());
      return Send(response);
    }));
  });
  return {};
}

Status ChangeCall::Send(const google::protobuf::MessageLite& message) {
  auto bytes = Serialize(message);
  if (!bytes.ok()) {
    return bytes.status();
  }
  response_ = std::move(bytes).value();
  return {};
}

void ChangeCall::FinishWith(const Status& status) noexcept {
  record_.SetStatus(status);
  context_.watch.Start(call_);
  Finish(record_.ToGrpc(status));
}

}  // namespace spikeserve::rpc
