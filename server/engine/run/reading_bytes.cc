#include "server/engine/run/reading_bytes.h"

#include "server/engine/network/index.h"
#include "server/engine/run/reading.h"

namespace spikeserve::engine {

std::int64_t ReadingBytes(const SimulationSpec& spec, const std::vector<std::int64_t>& probe_sizes,
                          std::int64_t spiking_layers, std::int64_t samples) {
  std::int64_t values = 0;
  for (const std::int64_t probe : spec.probes) {
    // A session's trajectories are reserved for with every piece of it.
    values += probe_sizes[Index(probe)] * (spec.trajectories && !spec.session ? 1 + spec.settings.steps : 1);
  }
  // In the sample, in the batch's reading, in the request's slice, and as bytes of the response.
  constexpr std::int64_t kBytesPerValue = 8 + 8 + 8 + 8;
  constexpr std::int64_t kBytesPerSample = 256;
  const std::int64_t statistics =
      spec.statistics ? spiking_layers * 2 * static_cast<std::int64_t>(sizeof(LayerActivity)) : 0;
  return samples * (values * kBytesPerValue + statistics + kBytesPerSample);
}

std::int64_t RecordBytes(const Network& network, const SimulationSpec& spec, std::int64_t samples) {
  constexpr std::int64_t kBytesPerValue = 2 * 8 + 8 + 8 + 8;  // kept while it grows, then as in ReadingBytes
  std::int64_t values = 0;
  for (const RequestProbe& probe : spec.request_probes) {
    const std::int64_t kept = spec.session ? 0 : probe.recording.Kept(0, spec.settings.steps);
    values += network.size(probe.operation) * (2 + probe.recording.Rows(kept));
  }
  return samples * values * kBytesPerValue;
}

}  // namespace spikeserve::engine
