#include "server/rpc/context/call_record.h"

#include <chrono>
#include <utility>

#include "server/serving/names.h"

namespace spikeserve::rpc {
namespace {

constexpr double kMillisecondsPerSecond = 1e3;

// Faults of the server, as opposed to those of a client.
bool IsServerFault(StatusCode code) {
  return code == StatusCode::kInternal || code == StatusCode::kUnknown || code == StatusCode::kDataLoss;
}

}  // namespace

double CallRecord::Elapsed() const {
  return std::chrono::duration<double>(context_.clock.Now() - received_).count();
}

void CallRecord::SetStatus(const Status& status) {
  status_ = status;
  total_s_ = Elapsed();
  // At once, as the client asks for the counts when it has its answer.
  if (const auto counts = std::exchange(statistics, nullptr)) {
    if (status.ok()) {
      counts->CountSuccess(samples, total_s_, queue_s, compute_s);
    } else {
      counts->CountFailure(total_s_);
    }
  }
}

void CallRecord::Write() const noexcept {
  try {
    context_.metrics.CountRequest(method_, status_.code(), total_s_);
    const EventLog::Fields fields = {{"method", std::string(method_)},
                                     {"code", std::string(serving::CodeName(status_.code()))},
                                     {"network", network.substr(0, serving::kMaxNameBytes)},
                                     {"version", version},
                                     {"samples", samples},
                                     {"batch", batch_size},
                                     {"queue_ms", queue_s * kMillisecondsPerSecond},
                                     {"compute_ms", compute_s * kMillisecondsPerSecond},
                                     {"total_ms", total_s_ * kMillisecondsPerSecond},
                                     {"message", status_.message()}};
    if (IsServerFault(status_.code())) {
      context_.log.Error("request", fields);
    } else {
      context_.log.Info("request", fields);
    }
  } catch (...) {  // called from a destructor; a lost line must not take the server with it
  }
}

}  // namespace spikeserve::rpc
