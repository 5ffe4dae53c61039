#include "server/rpc/calls/lookup_call.h"

#include <string>
#include <utility>
#include <vector>

#include "server/base/guarded.h"
#include "server/rpc/decode/upload_header.h"
#include "server/rpc/encode/network_info.h"
#include "server/rpc/wire/status.h"
#include "server/rpc/wire/wire.h"

namespace spikeserve::rpc {
namespace {

// The answer as built and as serialized.
constexpr std::int64_t kAnswerCopies = 2;

}  // namespace

grpc::ServerUnaryReactor* LookupCall::Get(const ServiceContext& context, grpc::CallbackServerContext& call,
                                          const grpc::ByteBuffer& request, grpc::ByteBuffer& response) {
  auto* self = new LookupCall(context, "GetNetwork", call, response);
  self->FinishWith(Guarded([&]() -> Status {
    if (Status status = context.authorizer.Check(call, Scope::kUse); !status.ok()) {
      return status;
    }
    return self->AnswerGet(request);
  }));
  return self;  // gone only after gRPC has taken it
}

grpc::ServerUnaryReactor* LookupCall::List(const ServiceContext& context, grpc::CallbackServerContext& call,
                                           const grpc::ByteBuffer& request, grpc::ByteBuffer& response) {
  auto* self = new LookupCall(context, "ListNetworks", call, response);
  self->FinishWith(Guarded([&]() -> Status {
    if (Status status = context.authorizer.Check(call, Scope::kUse); !status.ok()) {
      return status;
    }
    return self->AnswerList(request);
  }));
  return self;
}

LookupCall::~LookupCall() {
  if (Status status = context_.watch.Stop(call_); !status.ok()) {
    record_.SetStatus(status);
  }
}

Status LookupCall::AnswerGet(const grpc::ByteBuffer& request) {
  v1::GetNetworkRequest message;
  if (Status status = ParseSmall(request, message); !status.ok()) {
    return status;
  }
  record_.network = message.name();
  if (Status status = CheckNetworkName(message.name(), message.version()); !status.ok()) {
    return status;
  }
  const auto listing = context_.registry.Find(message.name(), message.version());
  if (!listing.ok()) {
    return listing.status();
  }
  record_.version = listing.value().version;
  if (Status status = Reserve(NetworkInfoBytes(listing.value())); !status.ok()) {
    return status;
  }
  v1::GetNetworkResponse response;
  *response.mutable_network() = EncodeNetworkInfo(listing.value());
  return Send(response);
}

Status LookupCall::AnswerList(const grpc::ByteBuffer& request) {
  v1::ListNetworksRequest message;
  if (Status status = ParseSmall(request, message); !status.ok()) {
    return status;
  }
  const std::vector<serving::NetworkListing> listings = context_.registry.List();
  std::int64_t bytes = 0;
  for (const serving::NetworkListing& listing : listings) {
    bytes += NetworkInfoBytes(listing);
  }
  if (Status status = Reserve(bytes); !status.ok()) {
    return status;
  }
  v1::ListNetworksResponse response;
  for (const serving::NetworkListing& listing : listings) {
    *response.add_networks() = EncodeNetworkInfo(listing);
  }
  return Send(response);
}

Status LookupCall::Reserve(std::int64_t info_bytes) {
  auto reservation = context_.budget.Reserve(kAnswerCopies * info_bytes, "the answer");
  if (!reservation.ok()) {
    return reservation.status();
  }
  reservation_ = std::move(reservation).value();
  return {};
}

Status LookupCall::Send(const google::protobuf::MessageLite& message) {
  auto bytes = Serialize(message);
  if (!bytes.ok()) {
    return bytes.status();
  }
  response_ = std::move(bytes).value();
  reservation_.ShrinkTo(static_cast<std::int64_t>(response_.Length()));
  return {};
}

// The last thing that is done here: the call may be gone afterwards.
void LookupCall::FinishWith(const Status& status) {
  record_.SetStatus(status);
  context_.watch.Start(call_);
  Finish(ToGrpc(status));
}

}  // namespace spikeserve::rpc
