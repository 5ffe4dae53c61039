#include "server/rpc/calls/stream_call.h"

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "server/base/guarded.h"
#include "server/rpc/access/caller.h"
#include "server/rpc/context/deadline.h"
#include "server/rpc/encode/encode_response.h"

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
  if (Status status = pass_.Leave(); !status.ok()) {
    overdue_ = std::move(status);
  }
  if (!overdue_.ok()) {
    record_.SetStatus(overdue_);
  }
}

Status StreamCall::Submit(const grpc::ByteBuffer& request) {
  if (!pass_.status().ok()) {
    return pass_.status();
  }
  auto caller = CallerOf(context_.authorizer, call_);
  if (!caller.ok()) {
    return caller.status();
  }
  auto message = std::make_shared<v1::SimulateStreamRequest>();
  if (Status status = submission_.Receive(request, kInputData, *message); !status.ok()) {
    return status;
  }
  if (Status status = CheckReportEvery(message->report_every()); !status.ok()) {
    return status;
  }
  const std::int64_t report_every = message->report_every();
  const std::shared_ptr<v1::SimulateRequest> inner(message, message->mutable_request());
  return submission_.Submit(
      inner,
      {.report_every = report_every, .deadline = DeadlineOf(call_), .caller = std::move(caller).value()},
      *this);
}

bool StreamCall::WantsProgress() noexcept {
  const MutexLock lock(mu_);
  return !gone_ && !waiting_;
}

void StreamCall::OnProgress(engine::Reading reading) noexcept {
  bool report = false;
  {
    const MutexLock lock(mu_);
    const auto bytes = waiting_ ? std::nullopt : EncodeReport(*submission_.answer(), reading);
    report = bytes && !writing_ && !gone_;
    if (report) {
      writing_ = true;
      message_ = *bytes;
    } else if (!bytes || !reports_.Push(*bytes)) {
      waiting_ = std::move(reading);  // the next is wanted once this one is written
    }
  }
  Send(report, std::nullopt);
}

void StreamCall::OnDone(const Status& status, serving::RunOutcome outcome) noexcept {
  record_.SetOutcome(outcome);
  const Status how = status.ok() ? Guarded([&] { return EncodeResult(outcome); }) : status;
  std::optional<Status> end;
  bool report = false;
  {
    const MutexLock lock(mu_);
    end_ = how;
    waiting_.reset();
    submission_.Release(static_cast<std::int64_t>(result_.Length()));
    report = TakeNext(end);
  }
  Send(report, end);
}

void StreamCall::OnWriteDone(bool ok) {
  std::optional<Status> end;
  bool report = false;
  {
    const MutexLock lock(mu_);
    if (Status status = context_.watch.Stop(call_); !status.ok()) {
      overdue_ = std::move(status);
    }
    writing_ = false;
    if (!ok) {  // the reader is gone, and the run will be told by OnCancel
      gone_ = true;
      waiting_.reset();
    }
    report = TakeNext(end);
  }
  Send(report, end);
}

bool StreamCall::TakeNext(std::optional<Status>& end) {
  if (writing_) {
    return false;
  }
  std::optional<grpc::ByteBuffer> next;
  while (!next && (!reports_.empty() || waiting_)) {
    next = reports_.Pop();
    if (!next) {
      next = EncodeReport(*submission_.answer(), *std::exchange(waiting_, std::nullopt));
    }
    if (gone_) {
      next.reset();
    }
  }
  if (next) {
    message_ = std::move(*next);
  } else {
    end = end_;
  }
  writing_ = next || end;  // after the end there is nothing more to take
  return next.has_value();
}

void StreamCall::Send(bool report, const std::optional<Status>& end) {
  if (report) {
    context_.watch.Start(call_);
    StartWrite(&message_);
  } else if (end) {
    End(*end);
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

std::optional<grpc::ByteBuffer> StreamCall::EncodeReport(const AnswerSpec& answer,
                                                         const engine::Reading& reading) {
  std::optional<grpc::ByteBuffer> report;
  static_cast<void>(Guarded([&]() -> Status {
    v1::SimulateStreamResponse message;
    *message.mutable_progress() = EncodeProgress(answer, reading);
    auto bytes = Serialize(message);
    if (bytes.ok()) {
      report = std::move(bytes).value();
    }
    return bytes.status();
  }));
  return report;
}

// The last thing that is done here: the call may be gone afterwards.
void StreamCall::End(const Status& status) {
  record_.SetStatus(status);
  context_.watch.Start(call_);
  if (!status.ok()) {
    return Finish(record_.ToGrpc(status));
  }
  StartWriteAndFinish(&result_, grpc::WriteOptions(), record_.ToGrpc(status));
}

}  // namespace spikeserve::rpc
