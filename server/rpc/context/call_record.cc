#include "server/rpc/context/call_record.h"

#include <chrono>
#include <utility>

#include "server/serving/names.h"

namespace spikeserve::rpc {
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
    context_.calls.Write({.method = method_,
                          .network = network.substr(0, serving::kMaxNameBytes),
                          .version = version,
                          .samples = samples,
                          .batch_size = batch_size,
                          .queue_s = queue_s,
                          .compute_s = compute_s,
                          .total_s = total_s_,
                          .status = status_});
  } catch (...) {  // called from a destructor; a lost line must not take the server with it
  }
}

}  // namespace spikeserve::rpc
