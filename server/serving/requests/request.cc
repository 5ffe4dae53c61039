#include "server/serving/requests/request.h"

#include <utility>
#include <variant>

namespace spikeserve::serving {
void Request::Answer(const Status& status, RunOutcome outcome) {
  samples.clear();
  input_bytes.reset();
  progress.reading = {};
  progress.reading_bytes.ShrinkTo(0);
  reservation.ShrinkTo(0);
  network.reset();
  std::exchange(sink, nullptr)->OnDone(status, std::move(outcome));
}

bool CanShareBatch(const Request& a, const Request& b) {
  return a.network == b.network && a.report_every == b.report_every && a.priority == b.priority &&
         a.spec == b.spec;
}

Status StillWanted(const Request& request, Clock::TimePoint now) {
  // The deadline first: a context that runs out of time is also reported as cancelled.
  if (now >= request.deadline) {
    return {StatusCode::kDeadlineExceeded, "the deadline passed before the simulation ended"};
  }
  if (request.cancelled.stop_requested()) {
    return {StatusCode::kCancelled, "cancelled by the client, or at the end of the drain"};
  }
  return {};
}

}  // namespace spikeserve::serving
