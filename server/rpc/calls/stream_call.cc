#include "server/rpc/calls/stream_call.h"

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "server/base/guarded.h"
#include "server/rpc/encode/encode_response.h"
#include "server/rpc/wire/status.h"

namespace spikeserve::rpc {
namespace {

constexpr std::array<int, 3> kInputData{v1::SimulateStreamRequest::kRequestFieldNumber,
                                        v1::SimulateRequest::kInputsFieldNumber, v1::Array::kDataFieldNumber};

Status CheckReportEvery(std::int64_t report_every) {
  if (report_every >= 1) {
    return {};
  }
  return InvalidArgument("report_every: got " + std::to_string(report_every) + ", allowed 1 and above");
}

}  // namespace

grpc::ServerWriteReactor<grpc::ByteBuffer>* StreamCall::Start(const ServiceContext& context,
                                                              grpc::CallbackServerContext& call,
                                                              const grpc::ByteBuffer& request) {
  auto* self = new StreamCall(context, call);
  const Status status = Guarded([&] { return self->Submit(request); });
  if (!status.ok()) {
    self->End(status);
  }
  return self;  // gone only after gRPC has taken it
}

StreamCall::~StreamCall() {
  if (Status status = context_.watch.Stop(call_); !status.ok()) {
    overdue_ = std::move(status);
  }
  if (!overdue_.ok()) {
    record_.SetStatus(overdue_);
  }
}

Status StreamCall::Submit(const grpc::ByteBuffer& request) {
  if (Status status = context_.authorizer.Check(call_, Scope::kUse); !status.ok()) {
    return status;
  }
  auto message = std::make_shared<v1::SimulateStreamRequest>();
  if (Status status = submission_.Receive(request, kInputData, *message); !status.ok()) {
    return status;
  }
  if (Status status = CheckReportEvery(message->report_every()); !status.ok()) {
    return status;
  }
  const std::int64_t report_every = message->report_every();
  const std::shared_ptr<const v1::SimulateRequest> inner(message, &message->request());
  return submission_.Submit(inner, {.report_every = report_every, .deadline = call_.deadline()}, *this);
}

void StreamCall::OnProgress(engine::Reading reading) noexcept {
  std::shared_ptr<const AnswerSpec> answer;
  {
    const MutexLock lock(mu_);
    if (writing_) {
      waiting_ = std::move(reading);
      return;
    }
    writing_ = true;
    answer = submission_.answer();
  }
  SendProgress(*answer, reading);
}

void StreamCall::OnDone(const Status& status, serving::RunOutcome outcome) noexcept {
  record_.queue_s = outcome.queue_s;
  record_.compute_s = outcome.compute_s;
  record_.batch_size = outcome.batch_size;
  Status end = status.ok() ? Guarded([&] { return EncodeResult(outcome); }) : status;
  {
    const MutexLock lock(mu_);
    end_ = end;
    waiting_.reset();
    submission_.Release(static_cast<std::int64_t>(result_.Length()));
    if (writing_) {
      return;  // OnWriteDone goes on
    }
  }
  End(end);
}

void StreamCall::OnWriteDone(bool ok) {
  std::optional<engine::Reading> next;
  std::optional<Status> end;
  std::shared_ptr<const AnswerSpec> answer;  // the call's own goes when the run is over
  {
    const MutexLock lock(mu_);
    if (Status status = context_.watch.Stop(call_); !status.ok()) {
      overdue_ = std::move(status);
    }
    end = end_;
    answer = submission_.answer();
    // After a failed write the reader is gone, and the run will be told by OnCancel.
    if (ok) {
      next = std::exchange(waiting_, std::nullopt);
    }
    writing_ = !end && next;
  }
  if (end) {
    return End(*end);
  }
  if (next) {
    SendProgress(*answer, *next);
  }
}

Status StreamCall::EncodeResult(const serving::RunOutcome& outcome) {
  v1::SimulateStreamResponse message;
  *message.mutable_result() = EncodeResponse(*submission_.answer(), outcome, record_.Elapsed());
  auto bytes = Serialize(message);
  if (!bytes.ok()) {
    return bytes.status();
  }
  result_ = std::move(bytes).value();
  return {};
}

// Requires: writing_ set by the caller. A progress that cannot be made is one that the reader misses.
void StreamCall::SendProgress(const AnswerSpec& answer, const engine::Reading& reading) {
  const Status status = Guarded([&]() -> Status {
    v1::SimulateStreamResponse message;
    *message.mutable_progress() = EncodeProgress(answer, reading);
    auto bytes = Serialize(message);
    if (!bytes.ok()) {
      return bytes.status();
    }
    message_ = std::move(bytes).value();
    return {};
  });
  context_.watch.Start(call_);
  if (status.ok()) {
    return StartWrite(&message_);
  }
  OnWriteDone(true);
}

// The last thing that is done here: the call may be gone afterwards.
void StreamCall::End(const Status& status) {
  record_.SetStatus(status);
  context_.watch.Start(call_);
  if (!status.ok()) {
    return Finish(ToGrpc(status));
  }
  StartWriteAndFinish(&result_, grpc::WriteOptions(), grpc::Status::OK);
}

}  // namespace spikeserve::rpc
