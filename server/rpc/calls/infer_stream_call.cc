#include "server/rpc/calls/infer_stream_call.h"

#include <string>
#include <utility>

#include "server/base/guarded.h"
#include "server/rpc/context/report_queue.h"
#include "server/rpc/wire/status.h"
#include "server/rpc/wire/wire.h"
#include "server/serving/metrics/metrics.h"

namespace spikeserve::rpc {
namespace {

// Requests of one stream that are queued, run or wait to be written. More are left unread, so that the client
// feels it.
constexpr std::size_t kMaxItems = 64;
constexpr const char* kFinalResponse = "triton_final_response";

bool WantsGrpcErrors(const grpc::CallbackServerContext& call) {
  const auto value = call.client_metadata().find("triton_grpc_error");
  return value != call.client_metadata().end() && value->second == "true";
}

Result<grpc::ByteBuffer> SerializeAnswer(inference::ModelInferResponse response, bool final) {
  (*response.mutable_parameters())[kFinalResponse].set_bool_param(final);
  inference::ModelStreamInferResponse message;
  *message.mutable_infer_response() = std::move(response);
  return Serialize(message);
}

// The protocol has no code beside the message, so the message begins with it.
Result<grpc::ByteBuffer> SerializeError(inference::ModelInferResponse response, const Status& status) {
  (*response.mutable_parameters())[kFinalResponse].set_bool_param(true);
  inference::ModelStreamInferResponse message;
  message.set_error_message(std::string(serving::CodeName(status.code())) + ": " + status.message());
  *message.mutable_infer_response() = std::move(response);
  return Serialize(message);
}

}  // namespace

// One request of the stream.
class InferStreamCall::Item final : public serving::ResultSink {
 public:
  Item(const ServiceContext& context, InferStreamCall& stream)
      : run_(context, "ModelStreamInfer"), stream_(stream) {}

  void Submit(const grpc::ByteBuffer& bytes, std::chrono::system_clock::time_point deadline) {
    const Status status = Guarded([&] { return run_.Submit(bytes, InferReports::kYes, deadline, *this); });
    if (!status.ok()) {
      End(status, {});
    }
  }
  void Cancel() { run_.Cancel(); }

  void OnProgress(engine::Reading reading) noexcept override {
    static_cast<void>(Guarded([&]() -> Status {
      auto bytes = SerializeAnswer(run_.Progress(reading), false);
      if (bytes.ok()) {
        stream_.Report(std::move(bytes).value());
      }
      return {};
    }));
  }
  void OnDone(const Status& status, serving::RunOutcome outcome) noexcept override { End(status, outcome); }

  // Whether its answers go out as they come; not while Submit is under way.
  bool wants_reports() const { return run_.options().report_every > 0; }

  // From here on guarded by the stream's mutex.
  bool decoupled = false;  // wants_reports, as far as that is known
  bool done = false;
  Status how;  // it ended
  std::vector<grpc::ByteBuffer> answers;

 private:
  void End(Status status, const serving::RunOutcome& outcome) noexcept {
    std::vector<grpc::ByteBuffer> messages;
    const Status encoded = Guarded([&] { return Encode(status, outcome, messages); });
    std::int64_t bytes = 0;
    for (const grpc::ByteBuffer& message : messages) {
      bytes += static_cast<std::int64_t>(message.Length());
    }
    run_.Release(bytes);
    status = encoded.ok() ? status : encoded;
    run_.SetStatus(status);
    stream_.Finished(*this, std::move(messages), status);
  }

  Status Encode(const Status& status, const serving::RunOutcome& outcome,
                std::vector<grpc::ByteBuffer>& messages) {
    const bool empty_final = wants_reports() && run_.options().empty_final_response;
    auto answer = status.ok() ? SerializeAnswer(run_.Answer(outcome), !empty_final)
                              : SerializeError(run_.Empty(), status);
    if (!answer.ok()) {
      answer = SerializeError(run_.Empty(), answer.status());
    }
    if (!answer.ok()) {
      return answer.status();
    }
    messages.push_back(std::move(answer).value());
    if (!status.ok() || !empty_final) {
      return {};
    }
    auto last = SerializeAnswer(run_.Empty(), true);
    if (!last.ok()) {
      return last.status();
    }
    messages.push_back(std::move(last).value());
    return {};
  }

  InferRun run_;
  InferStreamCall& stream_;
};

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* InferStreamCall::Start(
    const ServiceContext& context, StreamTable& streams, grpc::CallbackServerContext& call) {
  auto* self = new InferStreamCall(context, streams, call);
  const Status status = Guarded([&] { return self->Admit(); });
  if (!status.ok()) {
    const MutexLock lock(self->mu_);
    self->closed_ = true;
    self->end_ = status;
  }
  self->Advance();
  return self;  // gone only after gRPC has taken it
}

InferStreamCall::InferStreamCall(const ServiceContext& context, StreamTable& streams,
                                 grpc::CallbackServerContext& call)
    : context_(context), streams_(streams), call_(call), ends_with_error_(WantsGrpcErrors(call)) {}

Status InferStreamCall::Admit() {
  if (Status status = context_.authorizer.Check(call_, Scope::kUse); !status.ok()) {
    return status;
  }
  return streams_.Add(*this);
}

InferStreamCall::~InferStreamCall() {
  streams_.Remove(*this);
  static_cast<void>(context_.watch.Stop(call_));
}

void InferStreamCall::OnReadDone(bool ok) {
  std::shared_ptr<Item> item;
  {
    const MutexLock lock(mu_);
    if (finished_) {
      return;
    }
    closed_ = closed_ || !ok;
    if (!closed_) {
      item = std::make_shared<Item>(context_, *this);
      items_.push_back(item);
    }
  }
  if (item) {
    item->Submit(read_, call_.deadline());
    read_.Clear();
  }
  {
    const MutexLock lock(mu_);
    reading_ = false;
    if (item) {
      item->decoupled = item->wants_reports();
    }
  }
  Advance();
}

void InferStreamCall::OnWriteDone(bool ok) {
  Message written;  // its request lets go of all it holds after the mutex
  {
    const MutexLock lock(mu_);
    const Status overdue = context_.watch.Stop(call_);
    writing_ = false;
    written = std::move(out_.front());
    report_bytes_ -= written.report_bytes;
    out_.pop_front();
    if (!ok || !overdue.ok()) {
      gone_ = true;
      closed_ = true;
      end_ = overdue.ok() ? Status(StatusCode::kCancelled, "cancelled by the client") : overdue;
    }
  }
  Advance();
}

void InferStreamCall::OnCancel() {
  std::list<std::shared_ptr<Item>> items;
  {
    const MutexLock lock(mu_);
    gone_ = true;
    closed_ = true;
    if (end_.ok()) {
      end_ = {StatusCode::kCancelled, "cancelled by the client, or at the end of the drain"};
    }
    items = items_;
  }
  for (const std::shared_ptr<Item>& item : items) {
    item->Cancel();
  }
  Advance();
}

void InferStreamCall::Drain() {
  {
    const MutexLock lock(mu_);
    closed_ = true;
    if (end_.ok()) {
      end_ = Unavailable("the server is shutting down");
    }
  }
  Advance();
}

void InferStreamCall::Report(grpc::ByteBuffer bytes) {
  const auto size = static_cast<std::int64_t>(bytes.Length());
  auto reservation = context_.budget.Reserve(size, "a report");
  if (!reservation.ok()) {
    return;
  }
  {
    const MutexLock lock(mu_);
    // One that is alone is taken whatever its size, as there is no other.
    if (gone_ || (report_bytes_ > 0 && report_bytes_ + size > ReportQueue::kMaxBytes)) {
      return;
    }
    report_bytes_ += size;
    out_.push_back({std::move(bytes), nullptr, size, std::move(reservation).value()});
  }
  Advance();
}

void InferStreamCall::Finished(Item& item, std::vector<grpc::ByteBuffer> messages, const Status& status) {
  {
    const MutexLock lock(mu_);
    item.decoupled = item.wants_reports();
    item.answers = std::move(messages);
    item.how = status;
    item.done = true;
  }
  Advance();
}

void InferStreamCall::QueueAnswers() {
  bool blocked = false;
  for (auto it = items_.begin(); it != items_.end();) {
    const std::shared_ptr<Item> item = *it;
    if (item->done && (item->decoupled || !blocked)) {
      it = items_.erase(it);
      QueueAnswer(item);
      continue;
    }
    blocked = blocked || !item->decoupled;
    ++it;
  }
}

void InferStreamCall::QueueAnswer(const std::shared_ptr<Item>& item) {
  const bool ends = ends_with_error_ && !item->how.ok();
  if (ends && end_.ok()) {
    end_ = item->how;
    closed_ = true;
  }
  if (gone_ || ends) {
    return;
  }
  for (grpc::ByteBuffer& message : item->answers) {
    const bool last = &message == &item->answers.back();
    out_.push_back({std::move(message), last ? item : nullptr, 0, {}});
  }
}

void InferStreamCall::WriteNext() {
  if (gone_ && !writing_) {
    out_.clear();
    report_bytes_ = 0;
  }
  if (writing_ || out_.empty()) {
    return;
  }
  writing_ = true;
  context_.watch.Start(call_);
  StartWrite(&out_.front().bytes);
}

void InferStreamCall::ReadNext() {
  if (reading_ || closed_ || items_.size() + out_.size() >= kMaxItems) {
    return;
  }
  reading_ = true;
  StartRead(&read_);
}

std::optional<Status> InferStreamCall::TakeEnd() {
  if (finished_ || !closed_ || writing_ || !out_.empty() || !items_.empty()) {
    return std::nullopt;
  }
  finished_ = true;
  return end_;
}

void InferStreamCall::Advance() {
  std::optional<Status> end;
  std::list<std::shared_ptr<Item>> unwanted;
  {
    const MutexLock lock(mu_);
    QueueAnswers();
    if (ends_with_error_ && !end_.ok()) {
      unwanted = items_;
    }
    WriteNext();
    ReadNext();
    end = TakeEnd();
  }
  if (end) {
    context_.watch.Start(call_);
    return Finish(ToGrpc(*end));
  }
  for (const std::shared_ptr<Item>& item : unwanted) {  // the stream itself may be gone by now
    item->Cancel();
  }
}

}  // namespace spikeserve::rpc
