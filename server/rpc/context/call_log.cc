#include "server/rpc/context/call_log.h"

#include <utility>

#include "server/serving/metrics/metrics.h"

namespace spikeserve::rpc {
namespace {

constexpr double kMillisecondsPerSecond = 1e3;
constexpr std::chrono::seconds kCancelledInterval{1};
constexpr std::size_t kFailures = 64;
constexpr std::size_t kKeptMessage = 512;

// Faults of the server, as opposed to those of a client.
bool IsServerFault(StatusCode code) {
  return code == StatusCode::kInternal || code == StatusCode::kUnknown || code == StatusCode::kDataLoss;
}

EventLog::Fields FieldsOf(const CallFacts& call) {
  EventLog::Fields fields{{"request_id", call.request_id},
                          {"method", call.method},
                          {"code", std::string(serving::CodeName(call.status.code()))},
                          {"network", call.network},
                          {"version", call.version},
                          {"samples", call.samples},
                          {"batch", call.batch_size},
                          {"queue_ms", call.queue_s * kMillisecondsPerSecond},
                          {"compute_ms", call.compute_s * kMillisecondsPerSecond},
                          {"total_ms", call.total_s * kMillisecondsPerSecond},
                          {"message", call.status.message()}};
  if (!call.reuse.empty()) {
    fields.push_back({"reuse", call.reuse});
  }
  return fields;
}

}  // namespace

CallLog::CallLog(const EventLog& log, const Clock& clock, const CallLogOptions& options, SpanExporter* spans)
    : log_(log), clock_(clock), options_(options), spans_(spans) {}

CallLog::~CallLog() {
  {
    const MutexLock lock(mu_);
    last_cancelled_ = Clock::TimePoint::min();
  }
  TellUnwritten();
}

CallIdentity CallLog::Identify(const grpc::ServerContextBase& call) {
  return rpc::Identify(call, ids_, spans_ == nullptr ? 0 : options_.trace_sample_rate);
}

void CallLog::Write(const CallFacts& call) {
  TellUnwritten();
  const StatusCode code = call.status.code();
  if (code != StatusCode::kOk && code != StatusCode::kCancelled) {
    Keep(call);
  }
  if (!TakesLine(code)) {
    return;
  }
  if (IsServerFault(code)) {
    log_.Error("request", FieldsOf(call));
  } else if (log_.takes_info()) {
    log_.Info("request", FieldsOf(call));
  }
}

bool CallLog::TakesLine(StatusCode code) {
  const MutexLock lock(mu_);
  if (code == StatusCode::kOk) {
    due_ += options_.log_sample_rate;
    if (due_ < 1) {
      return false;
    }
    due_ -= 1;
    return true;
  }
  if (code != StatusCode::kCancelled) {
    return true;
  }
  const Clock::TimePoint now = clock_.Now();
  if (last_cancelled_ != Clock::TimePoint::min() && now < last_cancelled_ + kCancelledInterval) {
    ++unwritten_;
    return false;
  }
  last_cancelled_ = now;
  return true;
}

void CallLog::TellUnwritten() {
  std::int64_t calls = 0;
  {
    const MutexLock lock(mu_);
    if (unwritten_ == 0 ||
        (last_cancelled_ != Clock::TimePoint::min() && clock_.Now() < last_cancelled_ + kCancelledInterval)) {
      return;
    }
    calls = std::exchange(unwritten_, 0);
  }
  log_.Info("calls_cancelled", {{"calls", calls}, {"message", std::string("without lines of their own")}});
}

void CallLog::Keep(const CallFacts& call) {
  Failure failure{std::chrono::system_clock::now(), call};
  failure.call.status = {call.status.code(), call.status.message().substr(0, kKeptMessage)};
  const MutexLock lock(mu_);
  failures_.push_front(std::move(failure));
  if (failures_.size() > kFailures) {
    failures_.pop_back();
  }
}

std::vector<CallLog::Failure> CallLog::failures() const {
  const MutexLock lock(mu_);
  return {failures_.begin(), failures_.end()};
}

}  // namespace spikeserve::rpc
