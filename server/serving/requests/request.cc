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
  return StillWanted(request.ends_by(), request.cancelled, now);
}

Status StillWanted(Clock::TimePoint deadline, const std::stop_token& cancelled, Clock::TimePoint now) {
  // The deadline first: a context that runs out of time is also reported as cancelled.
  if (now >= deadline) {
    return {StatusCode::kDeadlineExceeded, "the deadline passed before the simulation ended"};
  }
  if (cancelled.stop_requested()) {
    return {StatusCode::kCancelled, "cancelled by the client, or at the end of the drain"};
  }
  return {};
}

bool HasTimeFor(const CostEstimate& cost, std::int64_t samples, Clock::TimePoint deadline,
                Clock::TimePoint now) {
  return !cost.measured || deadline == Clock::TimePoint::max() ||
         kMargin * cost.Seconds(samples) <= std::chrono::duration<double>(deadline - now).count();
}

Status StillPossible(const Request& request, Clock::TimePoint now) {
  Status wanted = StillWanted(request, now);
  if (!wanted.ok()) {
    return wanted;
  }
  if (HasTimeFor(request.place.cost, request.samples_left(), request.ends_by(), now)) {
    return {};
  }
  if (!HasTimeFor(request.place.cost, request.samples_left(), request.ends_by(), request.enqueued)) {
    request.network->costs->Doubt(*request.spec);  // it was too late when it came: it may be the cost
  }
  return {StatusCode::kDeadlineExceeded,
          "the deadline could not be met: others held the simulation up for too long"};
}

}  // namespace spikeserve::serving
