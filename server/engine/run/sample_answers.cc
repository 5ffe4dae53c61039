#include "server/engine/run/sample_answers.h"

#include <algorithm>
#include <cmath>

namespace spikeserve::engine {
namespace {

bool IsFinite(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
}

// What there is of one sample's part of `to`, which `samples` share equally.
void CopyPart(std::span<const double> from, std::size_t i, std::size_t samples, std::vector<double>& to) {
  const std::size_t stride = to.size() / samples;
  std::copy_n(from.begin(), std::min(from.size(), stride),
              to.begin() + static_cast<std::ptrdiff_t>(i * stride));
}

}  // namespace

Status LeftExactRange(const std::string& layer) {
  return OutOfRange("layer '" + layer +
                    "': spike counts or currents left the range in which sums are exact (fewer than 2^24 "
                    "spikes per neuron and step); lower the inputs, gains or dt");
}

Status LeftMemoryRange(const std::string& layer) {
  return OutOfRange(
      "layer '" + layer +
      "': what its neurons with memory have received or sent left the range of their integers "
      "(2^60 units of their weights, fewer than 2^30 spikes in all); lower the inputs, gains, dt "
      "or the number of steps");
}

void ReadSample(const SimulationSpec& spec, const SampleAnswers& sample, std::size_t i, Reading& reading) {
  Status& status = reading.sample_status[i];
  status = sample.status();
  const bool in_range = status.ok();
  const std::size_t samples = reading.sample_status.size();
  reading.spikes[i] = sample.spikes();
  if (!reading.steps_used.empty()) {
    reading.steps_used[i] = sample.steps_done();
  }
  for (std::size_t p = 0; p < reading.probes.size(); ++p) {
    ProbeReading& probe = reading.probes[p];
    const std::span<double> values =
        std::span(probe.values).subspan(i * Index(probe.size), Index(probe.size));
    sample.ReadProbe(p, values);
    if (in_range && !IsFinite(values)) {
      status = OutOfRange("probe " + std::to_string(spec.probes[p]) +
                          ": an output is infinite or not a number; lower the inputs or gains");
    }
    if (in_range && spec.trajectories) {
      CopyPart(sample.Trajectory(p), i, samples, probe.trajectory);
    }
  }
  for (std::size_t r = 0; in_range && r < reading.records.size(); ++r) {
    CopyPart(sample.Record(r), i, samples, reading.records[r].values);
  }
  if (spec.statistics) {
    reading.statistics[i] = sample.Activity();
  }
}

}  // namespace spikeserve::engine
