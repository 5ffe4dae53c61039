#include "server/engine/cuda_staging.h"

#include <algorithm>
#include <cstring>

#include "server/engine/cuda_neurons.h"

namespace spikeserve::engine {
namespace {

// Rounds float64 to float32, as the CPU does where it reads an input.
void PackDoubles(const std::byte* from, std::int64_t count, std::byte* to) {
  for (std::int64_t i = 0; i < count; ++i) {
    double value = 0;
    std::memcpy(&value, from + i * 8, sizeof(value));
    const auto rounded = static_cast<float>(value);
    std::memcpy(to + i * 4, &rounded, sizeof(rounded));
  }
}

}  // namespace

std::int64_t CudaInputBytes(const CudaRun& run, std::size_t input) {
  return run.populations[input].bytes ? 1 : 4;
}

CudaStaging LayOutStaging(const CudaRun& run, const CudaLaunchPlan& launch, CudaArena& arena) {
  CudaStaging staging;
  for (std::size_t slot = 0; slot < CudaStaging::kSlots; ++slot) {
    for (std::size_t i = 0; i < run.spec.inputs.size(); ++i) {
      const bool held = run.populations[i].held;
      const std::int64_t size = launch.samples * run.plan->populations[i].size * (held ? 1 : launch.chunk);
      staging.inputs[slot].push_back(
          arena.Take<std::byte>(held && slot > 0 ? 0 : size * CudaInputBytes(run, i)));
    }
  }
  staging.sample_index = arena.Take<std::uint32_t>(HasRandomNeurons(*run.plan) ? launch.samples : 0);
  staging.exceeded = arena.Take<std::int32_t>(1);
  staging.failed = arena.Take<std::int32_t>(launch.samples);
  staging.sample_spikes = arena.Take<std::int64_t>(launch.samples);
  for (std::size_t p = 0; p < run.spec.probes.size(); ++p) {
    const std::int64_t size = launch.samples * run.probe(p).size;
    staging.answers.push_back(arena.Take<float>(size));
    staging.sums.push_back(arena.Take<double>(run.folded[p] ? 0 : size));
    staging.trajectories.push_back(arena.Take<float>(run.spec.trajectories ? size * launch.chunk : 0));
  }
  for (const Layer& layer : run.plan->layers) {
    const bool counted =
        run.spec.statistics && layer.population >= 0 && run.population(layer.population).spiking;
    staging.activity.push_back(arena.Take<cuda::ActivitySum>(counted ? launch.samples : 0));
  }
  return staging;
}

std::int64_t StagingBytes(const CudaRun& run, const CudaLaunchPlan& launch) {
  CudaArena arena;
  LayOutStaging(run, launch, arena);
  return arena.used();
}

void PackInput(const CudaRun& run, std::size_t input, std::span<const SampleInputs> samples,
               std::int64_t padded, std::int64_t done, std::int64_t steps, std::byte* to) {
  const DataType type = run.spec.inputs[input].type;
  const std::int64_t count = run.plan->populations[input].size * steps;
  const std::int64_t first = run.plan->populations[input].size * done;
  const std::int64_t bytes = count * CudaInputBytes(run, input);
  for (const SampleInputs& sample : samples) {
    const std::byte* from = sample.data[input] + first * SizeOf(type);
    if (type == DataType::kFloat64) {
      PackDoubles(from, count, to);
    } else {
      std::memcpy(to, from, Index(bytes));
    }
    to += bytes;
  }
  std::memset(to, 0, Index((padded - static_cast<std::int64_t>(samples.size())) * bytes));
}

}  // namespace spikeserve::engine
