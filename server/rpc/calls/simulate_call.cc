#include "server/rpc/calls/simulate_call.h"

#include <array>
#include <memory>
#include <utility>

#include "server/base/guarded.h"
#include "server/rpc/access/caller.h"
#include "server/rpc/context/deadline.h"
#include "server/rpc/encode/encode_response.h"

namespace spikeserve::rpc {
namespace {

constexpr std::array<int, 2> kInputData{v1::SimulateRequest::kInputsFieldNumber, v1::Array::kDataFieldNumber};

}  // namespace

grpc::ServerUnaryReactor* SimulateCall::Start(const ServiceContext& context,
                                              grpc::CallbackServerContext& call,
                                              const grpc::ByteBuffer& request, grpc::ByteBuffer& response) {
  auto* self = new SimulateCall(context, call, response);
  const Status status = Guarded([&] { return self->Submit(request); });
  if (!status.ok()) {
    self->FinishWith(status);
  }
  return self;  // gone only after gRPC has taken it
}

SimulateCall::~SimulateCall() {
  if (Status status = pass_.Leave(); !status.ok()) {
    record_.SetStatus(status);
  }
  if (Status status = context_.watch.Stop(call_); !status.ok()) {
    record_.SetStatus(status);
  }
}

Status SimulateCall::Submit(const grpc::ByteBuffer& request) {
  if (!pass_.status().ok()) {
    return pass_.status();
  }
  auto caller = CallerOf(context_.authorizer, call_);
  if (!caller.ok()) {
    return caller.status();
  }
  auto message = std::make_shared<v1::SimulateRequest>();
  if (Status status = submission_.Receive(request, kInputData, *message); !status.ok()) {
    return status;
  }
  return submission_.Submit(
      std::move(message),
      {.deadline = DeadlineOf(call_), .caller = std::move(caller).value(), .reusable = true, .at_once = true},
      *this);
}

void SimulateCall::OnDone(const Status& status, serving::RunOutcome outcome) noexcept {
  record_.SetOutcome(outcome);
  FinishWith(status.ok() ? Guarded([&] { return Encode(outcome); }) : status);
}

Status SimulateCall::Encode(const serving::RunOutcome& outcome) {
  auto bytes = Serialize(EncodeResponse(*submission_.answer(), outcome, record_.Elapsed()));
  if (!bytes.ok()) {
    return bytes.status();
  }
  response_ = std::move(bytes).value();
  return {};
}

// The last thing that is done here: the call may be gone afterwards.
void SimulateCall::FinishWith(const Status& status) {
  submission_.Release(static_cast<std::int64_t>(response_.Length()));
  record_.SetStatus(status);
  context_.watch.Start(call_);
  Finish(record_.ToGrpc(status));
}

}  // namespace spikeserve::rpc
