#include "server/rpc/calls/session_call.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "server/base/guarded.h"
#include "server/rpc/context/deadline.h"
#include "server/rpc/context/receive.h"
#include "server/rpc/encode/encode_response.h"
#include "server/rpc/wire/wire.h"
#include "server/serving/names.h"

namespace spikeserve::rpc {
namespace {

constexpr std::array<int, 3> kInputData{v1::SessionRequest::kAdvanceFieldNumber,
                                        v1::SessionAdvance::kInputsFieldNumber, v1::Array::kDataFieldNumber};

}  // namespace

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* SessionCall::Start(
    const ServiceContext& context, SessionTable& sessions, grpc::CallbackServerContext& call) {
  auto* self = new SessionCall(context, sessions, call);
  const Status status = Guarded([&] { return self->Admit(); });
  if (status.ok()) {
    self->Read();
  } else {
    self->FinishWith(status);
  }
  return self;  // gone only after gRPC has taken it
}

Status SessionCall::Admit() {
  if (!pass_.status().ok()) {
    return pass_.status();
  }
  auto tenant = context_.authorizer.Identify(call_, Scope::kUse);
  if (!tenant.ok()) {
    return tenant.status();
  }
  if (Status status = run_.TakePlace(std::move(tenant).value()); !status.ok()) {
    return status;
  }
  Status status = sessions_.Add(*this);
  if (!status.ok()) {
    run_.ReturnPlace();
  }
  return status;
}

// Waits for the next message, unless the session is to end.
void SessionCall::Read() {
  v1::SessionRequest().Swap(&message_);  // Clear would keep its memory
  message_bytes_ = {};
  sessions_.Wait(*this);
  std::optional<Status> end;
  {
    const MutexLock lock(mu_);  // so that no Finish comes between
    end = end_;
    if (!end) {
      state_ = State::kWaiting;
      StartRead(&read_);
      Notify();
    }
  }
  if (end) {
    FinishWith(*end);
  }
}

void SessionCall::End(const Status& status) {
  {
    const MutexLock lock(mu_);
    if (state_ == State::kWorking || state_ == State::kWriting) {
      end_ = status;
    }
    if (state_ != State::kWaiting) {
      return;
    }
    state_ = State::kEnded;
  }
  FinishInTable(status);
}

void SessionCall::Announce(Clock::TimePoint end) {
  const MutexLock lock(mu_);
  announced_ = end;
  if (state_ == State::kWaiting) {
    Notify();
  }
}

void SessionCall::Notify() {
  if (!announced_ || !wants_notice_ || notice_ != Notice::kNone) {
    return;
  }
  const std::chrono::duration<double> left = *announced_ - context_.clock.Now();
  const Status made = Guarded([this, left]() -> Status {
    v1::SessionResponse response;
    response.mutable_goaway()->set_steps_done(run_.steps_done());
    response.mutable_goaway()->set_seconds_left(std::max(left.count(), 0.0));
    auto bytes = Serialize(response);
    if (bytes.ok()) {
      notice_bytes_ = std::move(bytes).value();
    }
    return bytes.status();
  });
  if (made.ok()) {
    notice_ = Notice::kWriting;
    StartWrite(&notice_bytes_);
  }
}

void SessionCall::Expire(const Status& status) {
  {
    const MutexLock lock(mu_);
    if (state_ == State::kWriting || notice_ == Notice::kWriting) {
      return call_.TryCancel();  // OnWriteDone comes to the end
    }
  }
  End(status);
}

void SessionCall::OnReadDone(bool ok) {
  {
    const MutexLock lock(mu_);
    if (state_ == State::kEnded) {
      return;  // the read that End left behind
    }
    state_ = State::kWorking;
  }
  sessions_.Work(*this);
  if (!ok) {
    return FinishWith(stop_.stop_requested() ? Status(StatusCode::kCancelled,
                                                      "cancelled by the client, or at the end of the drain")
                                             : Status());
  }
  const Status status = Guarded([this] { return Take(); });
  if (!status.ok()) {
    FinishWith(status);
  }
}

Status SessionCall::Take() {
  auto bytes = Receive(context_, read_, kInputData, "the session's message", message_);
  if (!bytes.ok()) {
    return bytes.status();
  }
  message_bytes_ = std::move(bytes).value();
  read_.Clear();
  if (run_.open() == message_.has_open()) {
    return InvalidArgument(run_.open() ? "open: got a second one, allowed one, as the first message"
                                       : "open: wanted as the first message");
  }
  if (message_.has_open()) {
    run_.Seek(message_.open(), {ToMonotonic(DeadlineOf(call_), context_.clock), stop_.get_token()},
              [this] { Go(); });
  } else {
    Go();
  }
  return {};
}

void SessionCall::Go() {
  const Status posted = Guarded([this]() -> Status {
    Post();
    return {};
  });
  if (!posted.ok()) {
    FinishWith(posted);
  }
}

// Everything that takes the engine happens on the table's thread, a chunk at a time.
void SessionCall::Post() {
  sessions_.tasks().Post([this] { Chunk(); });
}

void SessionCall::Chunk() {
  const Status status = Guarded([this]() -> Status {
    if (stop_.stop_requested()) {
      return {StatusCode::kCancelled, "cancelled by the client, or at the end of the drain"};
    }
    return run_.running() ? run_.RunChunk([this] { return stop_.stop_requested(); }) : Dispatch();
  });
  if (!status.ok()) {
    return FinishWith(status);
  }
  if (run_.running()) {
    return Go();
  }
  const Status answered = Guarded([this]() -> Status {
    v1::SessionResponse response;
    if (message_.has_open()) {
      SetSettings(run_.answer(), *response.mutable_opened()->mutable_settings());
      response.mutable_opened()->mutable_settings()->clear_steps();
    } else if (message_.has_reset()) {
      response.mutable_reset();
    } else {
      auto progress = run_.Finish();
      if (!progress.ok()) {
        return progress.status();
      }
      *response.mutable_progress() = std::move(progress).value();
    }
    return Answer(response);
  });
  if (!answered.ok()) {
    FinishWith(answered);
  }
}

Status SessionCall::Dispatch() {
  switch (message_.message_case()) {
    case v1::SessionRequest::kOpen: {
      Status status = run_.Open(message_.open());
      record_.network = serving::NetworkOf(message_.open().settings().network());
      wants_notice_ = message_.open().goaway();
      if (run_.checked()) {
        record_.samples = run_.answer().samples;
      }
      if (status.ok()) {
        record_.version = run_.answer().network->version;
      }
      return status;
    }
    case v1::SessionRequest::kAdvance: return run_.Begin(message_.advance());
    case v1::SessionRequest::kReset: return run_.Reset(message_.reset());
    case v1::SessionRequest::MESSAGE_NOT_SET: break;
  }
  return InvalidArgument("message: got none, wanted open, advance or reset");
}

Status SessionCall::Answer(const v1::SessionResponse& response) {
  auto bytes = Serialize(response);
  if (!bytes.ok()) {
    return bytes.status();
  }
  write_ = std::move(bytes).value();
  sessions_.Wait(*this);
  const MutexLock lock(mu_);
  state_ = State::kWriting;
  answer_waits_ = notice_ == Notice::kWriting;
  if (!answer_waits_) {
    StartWrite(&write_);
  }
  return {};
}

void SessionCall::OnWriteDone(bool ok) {
  std::optional<Status> finish;
  {
    const MutexLock lock(mu_);
    const bool was_notice = notice_ == Notice::kWriting;
    if (was_notice) {
      notice_ = Notice::kSent;
      finish = std::exchange(finish_, std::nullopt);
      if (std::exchange(answer_waits_, false)) {
        StartWrite(&write_);
      }
    } else {
      state_ = State::kWorking;
    }
    if (was_notice && !finish) {
      return;
    }
  }
  if (finish) {
    return Finish(record_.ToGrpc(*finish));
  }
  write_.Clear();
  if (ok) {
    return Read();
  }
  FinishWith({StatusCode::kCancelled, "the client is gone"});
}

// The place of the session is free before its client knows that it has ended.
void SessionCall::FinishWith(const Status& status) {
  sessions_.Remove(*this);
  FinishInTable(status);
}

// For the table, which must not be called back. The last thing that is done here: the call may be gone
// afterwards.
void SessionCall::FinishInTable(const Status& status) {
  run_.GiveUpPlace();
  record_.SetStatus(status);
  {
    const MutexLock lock(mu_);
    state_ = State::kEnded;
    if (notice_ == Notice::kWriting) {
      finish_ = status;
      return;
    }
  }
  Finish(record_.ToGrpc(status));
}

void SessionCall::OnDone() {
  sessions_.Remove(*this);
  if (Status status = pass_.Leave(); !status.ok()) {
    record_.SetStatus(status);
  }
  delete this;
}

}  // namespace spikeserve::rpc
