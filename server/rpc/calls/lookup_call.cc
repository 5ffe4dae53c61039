#include "server/rpc/calls/lookup_call.h"

#include <utility>

#include "server/base/guarded.h"
#include "server/rpc/wire/wire.h"

namespace spikeserve::rpc {
namespace {

// The answer as built and as serialized.
constexpr std::int64_t kAnswerCopies = 2;

}  // namespace

grpc::ServerUnaryReactor* LookupCall::Start(const ServiceContext& context, const Method& method,
                                            grpc::CallbackServerContext& call,
                                            const grpc::ByteBuffer& request, grpc::ByteBuffer& response) {
  auto* self = new LookupCall(context, method.name, call, response);
  self->FinishWith(Guarded([&]() -> Status {
    if (!self->pass_.status().ok()) {
      return self->pass_.status();
    }
    if (Status status = context.authorizer.Check(call, method.scope); !status.ok()) {
      return status;
    }
    return method.answer(*self, request);
  }));
  return self;  // gone only after gRPC has taken it
}

LookupCall::~LookupCall() {
  if (Status status = context_.watch.Stop(call_); !status.ok()) {
    record_.SetStatus(status);
  }
}

Status LookupCall::Reserve(std::int64_t answer_bytes) {
  auto reservation = context_.budget.Reserve(kAnswerCopies * answer_bytes, "the answer");
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
  Finish(record_.ToGrpc(status));
}

}  // namespace spikeserve::rpc
