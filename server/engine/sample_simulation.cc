#include "server/engine/sample_simulation.h"

namespace spikeserve::engine {
namespace {

constexpr std::int64_t kSynapsesPerChunk = 4'000'000'000;

}  // namespace

std::int64_t ChunkSteps(std::int64_t synapses) {
  return std::clamp<std::int64_t>(kSynapsesPerChunk / std::max<std::int64_t>(synapses, 1), 1, kMaxChunkSteps);
}

Status CheckSpec(const SimulationSpec& spec, std::int64_t inputs, std::int64_t probes,
                 std::span<const SampleInputs> samples) {
  const RunSettings& settings = spec.settings;
  if (settings.steps < 1 || !(settings.dt_s > 0) || !std::isfinite(settings.dt_s)) {
    return InvalidArgument("steps: got " + std::to_string(settings.steps) + ", dt: got " +
                           std::to_string(settings.dt_s) + " s; wanted steps >= 1 and a finite dt > 0");
  }
  const std::int64_t skip = settings.readout.skip_steps;
  if (skip < 0 || skip >= settings.steps) {
    return InvalidArgument("skip_steps: got " + std::to_string(skip) + ", wanted 0.." +
                           std::to_string(settings.steps - 1));
  }
  const auto all_given = [&](const SampleInputs& sample) {
    return static_cast<std::int64_t>(sample.data.size()) == inputs;
  };
  if (static_cast<std::int64_t>(spec.inputs.size()) != inputs ||
      !std::all_of(samples.begin(), samples.end(), all_given)) {
    return InvalidArgument("inputs: wanted one for each of the " + std::to_string(inputs) +
                           " Input operations of the network");
  }
  for (const std::int64_t probe : spec.probes) {
    if (probe < 0 || probe >= probes) {
      return InvalidArgument("probe index: got " + std::to_string(probe) + ", the network has " +
                             std::to_string(probes));
    }
  }
  return {};
}

std::int64_t ReadingBytes(const SimulationSpec& spec, const std::vector<std::int64_t>& probe_sizes,
                          std::int64_t spiking_layers, std::int64_t samples) {
  std::int64_t values = 0;
  for (const std::int64_t probe : spec.probes) {
    values += probe_sizes[Index(probe)] * (spec.trajectories ? 1 + spec.settings.steps : 1);
  }
  // In the sample, in the batch's reading, in the request's slice, and as bytes of the response.
  constexpr std::int64_t kBytesPerValue = 8 + 8 + 8 + 8;
  constexpr std::int64_t kBytesPerSample = 256;
  const std::int64_t statistics =
      spec.statistics ? spiking_layers * 2 * static_cast<std::int64_t>(sizeof(LayerActivity)) : 0;
  return samples * (values * kBytesPerValue + statistics + kBytesPerSample);
}

}  // namespace spikeserve::engine
