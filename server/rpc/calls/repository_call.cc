#include "server/rpc/calls/repository_call.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "server/base/guarded.h"
#include "server/rpc/context/deadline.h"
#include "server/rpc/context/receive.h"
#include "server/rpc/decode/repository_parameters.h"
#include "server/rpc/wire/wire.h"

namespace spikeserve::rpc {
namespace {

constexpr int kMapValue = 2;
constexpr std::array<int, 3> kFileBytes{inference::RepositoryModelLoadRequest::kParametersFieldNumber,
                                        kMapValue,
                                        inference::ModelRepositoryParameter::kBytesParamFieldNumber};

}  // namespace

grpc::ServerUnaryReactor* RepositoryCall::Load(const ServiceContext& context,
                                               grpc::CallbackServerContext& call,
                                               const grpc::ByteBuffer& request, grpc::ByteBuffer& response) {
  auto* self = new RepositoryCall(context, "RepositoryModelLoad", call, response);
  const Status status = Guarded([&] { return self->BeginLoad(request); });
  if (!status.ok()) {
    self->FinishWith(status);
  }
  return self;  // gone only after gRPC has taken it
}

grpc::ServerUnaryReactor* RepositoryCall::Unload(const ServiceContext& context,
                                                 grpc::CallbackServerContext& call,
                                                 const grpc::ByteBuffer& request,
                                                 grpc::ByteBuffer& response) {
  auto* self = new RepositoryCall(context, "RepositoryModelUnload", call, response);
  const Status status = Guarded([&] { return self->BeginUnload(request); });
  if (!status.ok()) {
    self->FinishWith(status);
  }
  return self;
}

RepositoryCall::~RepositoryCall() {
  if (Status status = pass_.Leave(); !status.ok()) {
    record_.SetStatus(status);
  }
  if (Status status = context_.watch.Stop(call_); !status.ok()) {
    record_.SetStatus(status);
  }
}

Status RepositoryCall::BeginLoad(const grpc::ByteBuffer& request) {
  if (!pass_.status().ok()) {
    return pass_.status();
  }
  auto tenant = context_.authorizer.Identify(call_, Scope::kAdmin);
  if (!tenant.ok()) {
    return tenant.status();
  }
  tenant_ = std::move(tenant).value();
  auto reservation = Receive(context_, request, kFileBytes, "the request", message_);
  if (!reservation.ok()) {
    return reservation.status();
  }
  message_bytes_ = std::move(reservation).value();
  received_bytes_ = static_cast<std::int64_t>(request.Length());
  const auto name = RepositoryModel(message_.repository_name(), message_.model_name());
  if (!name.ok()) {
    return name.status();
  }
  record_.network = name.value();
  context_.tasks.Post([this] {
    const Status status = Guarded([this] { return TakeFile(); });
    if (!status.ok() || claim_) {
      return FinishWith(status.ok() ? Guarded([this] { return LoadFile(); }) : status);
    }
    AwaitResident();
  });
  return {};
}

Status RepositoryCall::SendLoaded() {
  inference::RepositoryModelLoadResponse response;
  response.set_model_name(record_.network);
  response.set_is_loaded(true);
  return Send(response);
}

Status RepositoryCall::TakeFile() {
  auto file = TakeNetworkFile(message_);
  if (!file.ok()) {
    return file.status();
  }
  if (!file.value()) {
    return {};
  }
  NetworkToLoad& network = *file.value();
  const auto size = static_cast<std::int64_t>(network.file.payload.size());
  if (size > context_.limits.max_upload_bytes) {
    return ResourceExhausted("the network has " + std::to_string(size) + " bytes, allowed " +
                             std::to_string(context_.limits.max_upload_bytes) + " (--max-upload-mb)");
  }
  auto reservation = context_.budget.Reserve(context_.loader.EstimateUploadBytes(size), "the upload");
  if (!reservation.ok()) {
    return reservation.status();
  }
  auto share = context_.loader.TakeShare(*tenant_, size);
  if (!share.ok()) {
    return share.status();
  }
  auto claim = context_.loader.Begin(record_.network, network.version);
  if (!claim.ok()) {
    return claim.status();
  }
  if (Status status = context_.loader.CheckFreeSpace(size); !status.ok()) {
    return status;
  }
  upload_bytes_ = std::move(reservation).value();
  message_.Clear();
  message_bytes_.ShrinkTo(received_bytes_);
  claim_.emplace(std::move(claim).value());
  record_.version = claim_->version();
  upload_ = {std::move(network.file.payload), std::move(network.file.sha256), network.file.mode,
             stop_.get_token(), std::move(share).value()};
  return {};
}

// Of what is stored and not resident this makes it so; what is neither is not there.
void RepositoryCall::AwaitResident() {
  const auto finish = [this](const Result<serving::NetworkHandle>& handle) {
    FinishWith(Guarded([&]() -> Status {
      if (!handle.ok()) {
        return {
            handle.status().code(),
            handle.status().message() + "; to load a new one send its .spk file as \"file:1/network.spk\""};
      }
      record_.version = handle.value()->version;
      return SendLoaded();
    }));
  };
  const auto handle = context_.residency.Find(
      record_.network, 0, {ToMonotonic(DeadlineOf(call_), context_.clock), stop_.get_token()}, finish);
  if (handle) {
    finish(*handle);
  }
}

Status RepositoryCall::LoadFile() {
  if (stop_.stop_requested()) {
    return {StatusCode::kCancelled, "cancelled by the client before the network was loaded"};
  }
  serving::NetworkRegistry::Claim claim = std::move(*claim_);
  const Status loaded = context_.loader.Load(std::move(claim), std::move(upload_)).status();
  return loaded.ok() ? SendLoaded() : loaded;
}

// Behind the loads that were asked for before, so that none of them loses its file.
Status RepositoryCall::BeginUnload(const grpc::ByteBuffer& request) {
  if (!pass_.status().ok()) {
    return pass_.status();
  }
  if (Status status = context_.authorizer.Check(call_, Scope::kAdmin); !status.ok()) {
    return status;
  }
  inference::RepositoryModelUnloadRequest message;
  if (Status status = ParseSmall(request, message); !status.ok()) {
    return status;
  }
  const auto name = RepositoryModel(message.repository_name(), message.model_name());
  if (!name.ok()) {
    return name.status();
  }
  if (Status status = CheckUnloadParameters(message); !status.ok()) {
    return status;
  }
  record_.network = name.value();
  context_.tasks.Post([this] {
    context_.loader.Unload(record_.network, 0, [this](const Result<std::vector<std::int64_t>>& versions) {
      FinishWith(Guarded([&]() -> Status {
        if (!versions.ok()) {
          return versions.status();
        }
        inference::RepositoryModelUnloadResponse response;
        response.set_model_name(record_.network);
        response.set_is_unloaded(true);
        return Send(response);
      }));
    });
  });
  return {};
}

Status RepositoryCall::Send(const google::protobuf::MessageLite& message) {
  auto bytes = Serialize(message);
  if (!bytes.ok()) {
    return bytes.status();
  }
  response_ = std::move(bytes).value();
  return {};
}

// The last thing that is done here: the call may be gone afterwards. What the upload held goes first, so that
// who has the answer may count on it.
void RepositoryCall::FinishWith(const Status& status) {
  claim_.reset();
  upload_ = {};
  upload_bytes_ = {};
  message_bytes_ = {};
  record_.SetStatus(status);
  context_.watch.Start(call_);
  Finish(record_.ToGrpc(status));
}

}  // namespace spikeserve::rpc
