#include "server/engine/run/early_exit.h"

#include <algorithm>
#include <limits>

#include "server/engine/network/index.h"

namespace spikeserve::engine {
namespace {

std::span<const double> ValuesOf(const ProbeReading& probe, std::size_t sample) {
  return std::span(probe.values).subspan(sample * Index(probe.size), Index(probe.size));
}

void CopySample(const Reading& from, std::size_t sample, Reading& to) {
  for (std::size_t p = 0; p < from.probes.size(); ++p) {
    const std::span<const double> values = ValuesOf(from.probes[p], sample);
    std::copy(values.begin(), values.end(),
              to.probes[p].values.begin() + static_cast<std::ptrdiff_t>(sample * values.size()));
  }
  if (!from.statistics.empty()) {
    to.statistics[sample] = from.statistics[sample];
  }
  to.spikes[sample] = from.spikes[sample];
  to.sample_status[sample] = from.sample_status[sample];
}

}  // namespace

double Margin(std::span<const double> values) {
  double best = -std::numeric_limits<double>::infinity();
  double second = best;
  for (const double value : values) {
    second = std::max(second, std::min(best, value));
    best = std::max(best, value);
  }
  return best - second;
}

std::int64_t NextCheck(const EarlyExit& exit, std::int64_t done) {
  const std::int64_t beyond = done - exit.min_steps;
  return beyond < 0 ? exit.min_steps : done + exit.check_every - beyond % exit.check_every;
}

Status AdvanceUntilClear(const EarlyExit& rule, std::int64_t end, ExitingRun& run) {
  while (run.steps_done() < end && !run.finished()) {
    const std::int64_t check = NextCheck(rule, run.steps_done());
    if (Status status = run.AdvanceTo(std::min(check, end)); !status.ok()) {
      return status;
    }
    if (run.steps_done() == check && !run.finished()) {
      run.Look();
    }
  }
  return {};
}

bool EarlyStops::finished() const {
  return std::all_of(steps_.begin(), steps_.end(), [](std::int64_t steps) { return steps != kRunning; });
}

void EarlyStops::Look(std::size_t sample, std::int64_t done, std::span<const double> values) {
  if (Margin(values) >= rule_.margin) {
    Stop(sample, done);
  }
}

void StoppedAnswers::Look(std::size_t sample, bool failed, const Reading& reading) {
  if (kept_.probes.empty()) {
    kept_ = reading;
  }
  if (stops_.stopped(sample)) {
    return;
  }
  if (failed) {
    stops_.Stop(sample, reading.steps_done);
  } else {
    stops_.Look(sample, reading.steps_done, ValuesOf(reading.probes[Index(stops_.rule().probe)], sample));
  }
  if (stops_.stopped(sample)) {
    CopySample(reading, sample, kept_);
  }
}

void StoppedAnswers::Apply(Reading& reading) const {
  for (std::size_t i = 0; i < reading.steps_used.size(); ++i) {
    if (stops_.stopped(i)) {
      reading.steps_used[i] = stops_.steps(i);
      CopySample(kept_, i, reading);
    }
  }
}

Reading StoppedAnswers::All() const {
  Reading reading = kept_;
  Apply(reading);
  return reading;
}

}  // namespace spikeserve::engine
