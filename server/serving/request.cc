#include "server/serving/request.h"

#include <utility>
#include <variant>

namespace spikeserve::serving {
namespace {

bool SameVoltage(const std::optional<engine::InitialVoltage>& a,
                 const std::optional<engine::InitialVoltage>& b) {
  if (a.has_value() != b.has_value()) return false;
  if (!a) return true;
  if (a->index() != b->index()) return false;
  if (const auto* constant = std::get_if<engine::ConstantVoltage>(&*a)) {
    return constant->value == std::get<engine::ConstantVoltage>(*b).value;
  }
  if (const auto* uniform = std::get_if<engine::UniformVoltage>(&*a)) {
    return uniform->seed == std::get<engine::UniformVoltage>(*b).seed;
  }
  return std::holds_alternative<engine::ZeroVoltage>(*a);
}

bool SameSettings(const engine::RunSettings& a, const engine::RunSettings& b) {
  return a.dt_s == b.dt_s && a.steps == b.steps && a.readout.kind == b.readout.kind &&
         a.readout.skip_steps == b.readout.skip_steps && a.seed == b.seed &&
         SameVoltage(a.initial_voltage, b.initial_voltage);
}

}  // namespace

void Request::Answer(const Status& status, RunOutcome outcome) {
  samples.clear();
  input_bytes.reset();
  reservation.ShrinkTo(0);
  network.reset();
  std::exchange(sink, nullptr)->OnDone(status, std::move(outcome));
}

bool CanShareBatch(const Request& a, const Request& b) {
  return a.network == b.network && a.report_every == b.report_every &&
         SameSettings(a.spec.settings, b.spec.settings) && a.spec.inputs == b.spec.inputs &&
         a.spec.probes == b.spec.probes && a.spec.trajectories == b.spec.trajectories &&
         a.spec.statistics == b.spec.statistics && a.spec.early_exit == b.spec.early_exit &&
         a.spec.request_probes == b.spec.request_probes;
}

Status StillWanted(const Request& request, Clock::TimePoint now) {
  // The deadline first: a context that runs out of time is also reported as cancelled.
  if (now >= request.deadline) {
    return {StatusCode::kDeadlineExceeded, "the deadline passed before the simulation ended"};
  }
  if (request.cancelled.stop_requested()) {
    return {StatusCode::kCancelled, "cancelled by the client"};
  }
  return {};
}

}  // namespace spikeserve::serving
