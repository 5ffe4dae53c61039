#include "server/rpc/calls/session_call.h"

#include <array>
#include <utility>

#include "server/base/guarded.h"
#include "server/rpc/context/receive.h"
#include "server/rpc/encode/encode_response.h"
#include "server/rpc/wire/status.h"
#include "server/rpc/wire/wire.h"

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
  auto tenant = context_.authorizer.Identify(call_, Scope::kUse);
  if (!tenant.ok()) {
    return tenant.status();
  }
  if (Status status = run_.TakePlace(std::move(tenant).value()); !status.ok()) {
    return status;
  }
  return sessions_.Add(*this);
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

void SessionCall::Expire(const Status& status) {
  {
    const MutexLock lock(mu_);
    if (state_ == State::kWriting) {
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
  Post();
  return {};
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
    const Status posted = Guarded([this]() -> Status {
      Post();
      return {};
    });
    if (!posted.ok()) {
      FinishWith(posted);
    }
    return;
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
      record_.network = message_.open().settings().network();
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
  StartWrite(&write_);
  return {};
}

void SessionCall::OnWriteDone(bool ok) {
  {
    const MutexLock lock(mu_);
    state_ = State::kWorking;
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
  {
    const MutexLock lock(mu_);
    state_ = State::kEnded;
  }
  run_.GiveUpPlace();
  record_.SetStatus(status);
  Finish(ToGrpc(status));
}

void SessionCall::OnDone() {
  sessions_.Remove(*this);
  delete this;
}

}  // namespace spikeserve::rpc
