#include "server/rpc/calls/infer_stream_call.h"

#include <iterator>
#include <string>
#include <utility>

#include "server/base/guarded.h"
#include "server/rpc/context/deadline.h"
#include "server/rpc/context/report_queue.h"
#include "server/rpc/encode/infer_stream_response.h"
#include "server/rpc/wire/request_info.h"
#include "server/rpc/wire/wire.h"

namespace spikeserve::rpc {
namespace {

// Requests of one stream that are queued, run or wait to be written. More are left unread, so that the client
// feels it.
constexpr std::size_t kMaxItems = 64;
constexpr const char* kMethod = "ModelStreamInfer";

Status Cancelled() { return {StatusCode::kCancelled, "cancelled by the client, or at the end of the drain"}; }

bool WantsGrpcErrors(const grpc::CallbackServerContext& call) {
  const auto value = call.client_metadata().find("triton_grpc_error");
  return value != call.client_metadata().end() && value->second == "true";
}

}  // namespace

// One request of the stream.
class InferStreamCall::Item final : public serving::ResultSink {
 public:
  Item(const ServiceContext& context, InferStreamCall& stream)
      : run_(context, stream.identity_, kMethod), stream_(stream) {}

  // Whether it waits for its network; then another thread goes on with it.
  bool Submit(const grpc::ByteBuffer& bytes, std::chrono::system_clock::time_point deadline) {
    const Result<Submitted> submitted =
        Guarded([&] { return run_.Submit(bytes, InferReports::kYes, deadline, stream_.caller_, *this); });
    if (!submitted.ok()) {
      End(submitted.status(), {});
    }
    return submitted.ok() && submitted.value() == Submitted::kWaits;
  }
  void RequestStop() { run_.RequestStop(); }
  // For the log: the answer that was made is not written.
  void SetLost(const Status& status) { run_.SetStatus(status); }

  bool WantsProgress() noexcept override { return stream_.WantsReports(); }
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

  // Whether its answers go out as they come; not while Submit is under way, or it waits.
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
  Actions actions;
  {
    const MutexLock lock(self->mu_);
    if (!status.ok()) {
      CallRecord(context, self->identity_, kMethod).SetStatus(status);
      self->Close(status);
    }
    actions = self->Advance();
  }
  Act(context, std::move(actions));
  return self;  // gone only after gRPC has taken it
}

InferStreamCall::InferStreamCall(const ServiceContext& context, StreamTable& streams,
                                 grpc::CallbackServerContext& call)
    : context_(context),
      streams_(streams),
      call_(call),
      pass_(context.gate, call),
      ends_with_error_(WantsGrpcErrors(call)) {}

Status InferStreamCall::Admit() {
  if (!pass_.status().ok()) {
    return pass_.status();
  }
  auto caller = CallerOf(context_.authorizer, call_);
  caller_ = caller.ok() ? std::move(caller).value() : Caller();
  return caller.ok() ? streams_.Add(*this) : caller.status();
}

InferStreamCall::~InferStreamCall() {
  streams_.Remove(*this);
  static_cast<void>(context_.watch.Stop(call_));
}

void InferStreamCall::OnReadDone(bool ok) {
  const ServiceContext& context = context_;
  std::shared_ptr<Item> item;
  std::shared_ptr<Item> late;
  Status how;
  bool over = false;
  const Status made = Guarded([&]() -> Status {
    item = ok ? std::make_shared<Item>(context, *this) : nullptr;
    return {};
  });
  {
    const MutexLock lock(mu_);
    if (!finished_ && !made.ok()) {
      Close(made);
    }
    if (finished_ || closed_) {
      late = std::exchange(item, nullptr);
      how = end_.ok() ? Cancelled() : end_;
    }
    closed_ = closed_ || !ok;
    if (finished_) {
      over = true;
    } else if (item) {
      items_.push_back(item);
    }
  }
  if (late) {  // it is counted as what the stream ended with, which is all that its client hears
    late->SetLost(how);
  }
  if (over) {
    return;
  }
  bool waits = false;
  if (item) {
    waits = item->Submit(read_, DeadlineOf(call_));
    read_.Clear();
  }
  Actions actions;
  {
    const MutexLock lock(mu_);
    reading_ = false;
    if (item && !waits) {  // of one that waits it is known when it is done
      item->decoupled = item->wants_reports();
    }
    actions = Advance();
    if (item && !item->done && (gone_ || failed_)) {
      actions.unwanted.push_back(item);  // it came too late to be among those that were cancelled
    }
  }
  Act(context, std::move(actions));
}

void InferStreamCall::OnWriteDone(bool ok) {
  const ServiceContext& context = context_;
  Message written;  // its request lets go of all it holds after the mutex
  Actions actions;
  {
    const MutexLock lock(mu_);
    const Status overdue = context_.watch.Stop(call_);
    writing_ = false;
    written = std::move(out_.front());
    report_bytes_ -= written.report_bytes;
    out_.pop_front();
    if (!ok || !overdue.ok()) {
      gone_ = true;
      Close(overdue.ok() ? Cancelled() : overdue);
    }
    actions = Advance();
    if (gone_) {
      actions.lost.push_back(std::move(written));
    }
  }
  Act(context, std::move(actions));
}

void InferStreamCall::OnCancel() {
  const ServiceContext& context = context_;
  Actions actions;
  {
    const MutexLock lock(mu_);
    gone_ = true;
    Close(Cancelled());
    actions = Advance();
    actions.unwanted = items_;
  }
  Act(context, std::move(actions));
}

void InferStreamCall::Drain() {
  const ServiceContext& context = context_;
  Actions actions;
  {
    const MutexLock lock(mu_);
    if (!closed_) {
      Close(Unavailable("the server is shutting down"));
    }
    actions = Advance();
  }
  Act(context, std::move(actions));
}

bool InferStreamCall::WantsReports() {
  const MutexLock lock(mu_);
  return !gone_ && !failed_ && report_bytes_ < ReportQueue::kMaxBytes;
}

void InferStreamCall::Report(grpc::ByteBuffer bytes) {
  const ServiceContext& context = context_;
  const auto size = static_cast<std::int64_t>(bytes.Length());
  auto reservation = context_.budget.Reserve(size, "a report");
  if (!reservation.ok()) {
    return;
  }
  Actions actions;
  {
    const MutexLock lock(mu_);
    if (gone_ || failed_ || report_bytes_ >= ReportQueue::kMaxBytes) {  // since it was said to be wanted
      return;
    }
    report_bytes_ += size;
    out_.push_back({std::move(bytes), nullptr, size, std::move(reservation).value()});
    actions = Advance();
  }
  Act(context, std::move(actions));
}

void InferStreamCall::Finished(Item& item, std::vector<grpc::ByteBuffer> messages, const Status& status) {
  const ServiceContext& context = context_;
  Actions actions;
  {
    const MutexLock lock(mu_);
    item.decoupled = item.wants_reports();
    item.answers = std::move(messages);
    item.how = status;
    item.done = true;
    actions = Advance();
  }
  Act(context, std::move(actions));
}

void InferStreamCall::QueueAnswers(Actions& actions) {
  bool blocked = false;
  for (auto it = items_.begin(); it != items_.end();) {
    const std::shared_ptr<Item> item = *it;
    if (item->done && (item->decoupled || !blocked)) {
      it = items_.erase(it);
      QueueAnswer(item, actions);
      continue;
    }
    blocked = blocked || !item->decoupled;
    ++it;
  }
}

void InferStreamCall::QueueAnswer(const std::shared_ptr<Item>& item, Actions& actions) {
  if (gone_ || failed_) {  // nobody reads it, or the stream has ended before it
    actions.lost.push_back({{}, item, 0, {}});
    return;
  }
  if (item->answers.empty() || (ends_with_error_ && !item->how.ok())) {
    failed_ = true;
    Close(item->how);
    actions.unwanted = items_;
    actions.answered.push_back(item);  // by the status of the stream
    return;
  }
  for (grpc::ByteBuffer& message : item->answers) {
    const bool last = &message == &item->answers.back();
    out_.push_back({std::move(message), last ? item : nullptr, 0, {}});
  }
}

void InferStreamCall::WriteNext(Actions& actions) {
  if (writing_) {
    return;
  }
  if (gone_) {
    std::move(out_.begin(), out_.end(), std::back_inserter(actions.lost));
    out_.clear();
    report_bytes_ = 0;
  }
  if (out_.empty()) {
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

void InferStreamCall::Close(const Status& status) {
  closed_ = true;
  if (end_.ok()) {
    end_ = status;
  }
}

bool InferStreamCall::Ends() const {
  return !finished_ && closed_ && !writing_ && out_.empty() && items_.empty();
}

InferStreamCall::Actions InferStreamCall::Advance() {
  Actions actions;
  QueueAnswers(actions);
  WriteNext(actions);
  ReadNext();
  if (Ends()) {
    finished_ = true;
    actions.ending = this;
    actions.end = end_;
  }
  return actions;
}

void InferStreamCall::Act(const ServiceContext& context, Actions actions) {
  for (const Message& message : actions.lost) {
    if (message.item) {
      message.item->SetLost(Cancelled());
    }
  }
  actions.lost.clear();
  actions.answered.clear();
  for (const std::shared_ptr<Item>& item : actions.unwanted) {
    item->RequestStop();
  }
  if (!actions.unwanted.empty()) {
    context.batcher.Sweep();
  }
  if (actions.ending != nullptr) {
    context.watch.Start(actions.ending->call_);
    InferStreamCall& call = *actions.ending;
    call.Finish(ToGrpc(actions.end, call.identity_.request_id, call.call_));
  }
}

}  // namespace spikeserve::rpc
