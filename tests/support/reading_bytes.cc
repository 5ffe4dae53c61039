#include "tests/support/reading_bytes.h"

namespace spikeserve::testing {
namespace {

template <typename T>
void Append(std::string& bytes, const T* values, std::size_t count) {
  bytes.append(reinterpret_cast<const char*>(values), count * sizeof(T));
}

}  // namespace

std::string ReadingBytes(const engine::Reading& reading, std::size_t sample) {
  std::string bytes;
  const auto steps = static_cast<std::size_t>(reading.steps_done);
  for (const engine::ProbeReading& probe : reading.probes) {
    const auto size = static_cast<std::size_t>(probe.size);
    Append(bytes, probe.values.data() + sample * size, size);
    if (!probe.trajectory.empty()) {
      Append(bytes, probe.trajectory.data() + sample * steps * size, steps * size);
    }
  }
  if (!reading.statistics.empty()) {
    for (const engine::LayerActivity& activity : reading.statistics.at(sample)) {
      for (const std::int64_t value : {activity.spikes, activity.busiest_neuron_spikes,
                                       activity.silent_neurons, activity.synaptic_operations}) {
        Append(bytes, &value, 1);
      }
    }
  }
  Append(bytes, &reading.spikes.at(sample), 1);
  return bytes + std::to_string(static_cast<int>(reading.sample_status.at(sample).code()));
}

}  // namespace spikeserve::testing
