#include "server/rpc/calls/infer_call.h"

#include <utility>

#include "server/base/guarded.h"
#include "server/rpc/access/caller.h"
#include "server/rpc/context/deadline.h"
#include "server/rpc/wire/wire.h"

namespace spikeserve::rpc {

grpc::ServerUnaryReactor* InferCall::Start(const ServiceContext& context, grpc::CallbackServerContext& call,
                                           const grpc::ByteBuffer& request, grpc::ByteBuffer& response) {
  auto* self = new InferCall(context, call, response);
  const Status status = Guarded([&] { return self->Submit(request); });
  if (!status.ok()) {
    self->FinishWith(status);
  }
  return self;  // gone only after gRPC has taken it
}

InferCall::~InferCall() {
  if (Status status = pass_.Leave(); !status.ok()) {
    run_.SetStatus(status);
  }
  if (Status status = context_.watch.Stop(call_); !status.ok()) {
    run_.SetStatus(status);
  }
}

Status InferCall::Submit(const grpc::ByteBuffer& request) {
  if (!pass_.status().ok()) {
    return pass_.status();
  }
  auto caller = CallerOf(context_.authorizer, call_);
  if (!caller.ok()) {
    return caller.status();
  }
  return run_.Submit(request, InferReports::kNo, DeadlineOf(call_), std::move(caller).value(), *this)
      .status();
}

void InferCall::OnDone(const Status& status, serving::RunOutcome outcome) noexcept {
  FinishWith(status.ok() ? Guarded([&] { return Encode(outcome); }) : status);
}

Status InferCall::Encode(const serving::RunOutcome& outcome) {
  auto bytes = Serialize(run_.Answer(outcome));
  if (!bytes.ok()) {
    return bytes.status();
  }
  response_ = std::move(bytes).value();
  return {};
}

// The last thing that is done here: the call may be gone afterwards.
void InferCall::FinishWith(const Status& status) {
  run_.Release(static_cast<std::int64_t>(response_.Length()));
  run_.SetStatus(status);
  context_.watch.Start(call_);
  Finish(run_.ToGrpc(status));
}

}  // namespace spikeserve::rpc
