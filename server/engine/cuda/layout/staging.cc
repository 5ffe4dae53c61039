#include "server/engine/cuda/layout/staging.h"

#include <algorithm>
#include <cstring>

#include "server/engine/run/input_values.h"

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

CudaStaging::Slot LayOutSlot(const CudaRun& run, const CudaLaunchShape& launch, bool first,
                             CudaArena& arena) {
  CudaStaging::Slot slot;
  for (std::size_t i = 0; i < run.spec->inputs.size(); ++i) {
    const bool once = GoesUpOnce(run.populations[i]);
    const std::int64_t size = launch.samples * run.plan->populations[i].size * (once ? 1 : launch.chunk);
    slot.inputs.push_back(arena.Take<std::byte>(once && !first ? 0 : size * CudaInputBytes(run, i)));
  }
  slot.exceeded = arena.Take<std::int32_t>(1);
  const std::int64_t rows = launch.samples * launch.chunk;
  for (std::size_t p = 0; p < run.spec->probes.size(); ++p) {
    slot.trajectories.push_back(arena.Take<float>(run.spec->trajectories ? rows * run.probe(p).size : 0));
  }
  for (std::size_t r = 0; r < run.record_layers.size(); ++r) {
    slot.records.push_back(arena.Take<float>(rows * run.RecordSize(r)));
  }
  return slot;
}

// The values of one sample as the engine reads them everywhere.
void PackValues(const CudaRun& run, std::size_t input, const std::byte* data, std::byte* to) {
  const Population& population = run.plan->populations[input];
  const OperationDefinition& operation =
      run.plan->network->definition().operations[Index(population.operation)];
  ReadInput(std::get<InputOperation>(operation.kind), run.spec->inputs[input].type, data, 0,
            std::span(reinterpret_cast<float*>(to), Index(population.size)));
}

}  // namespace

std::int64_t CudaInputBytes(const CudaRun& run, std::size_t input) {
  return run.populations[input].bytes ? 1 : 4;
}

CudaStaging LayOutStaging(const CudaRun& run, const CudaLaunchShape& launch, CudaArena& arena) {
  CudaStaging staging;
  for (std::size_t s = 0; s < staging.slots.size(); ++s) {
    staging.slots[s] = LayOutSlot(run, launch, s == 0, arena);
  }
  staging.sample_index = arena.Take<std::uint32_t>(run.Draws() ? launch.samples : 0);
  staging.failed = arena.Take<std::int32_t>(launch.samples);
  staging.sample_spikes = arena.Take<std::int64_t>(launch.samples);
  for (std::size_t p = 0; p < run.spec->probes.size(); ++p) {
    const std::int64_t size = launch.samples * run.probe(p).size;
    staging.answers.push_back(arena.Take<float>(size));
    staging.sums.push_back(arena.Take<double>(run.folded[p] ? 0 : size));
  }
  for (std::size_t l = 0; l < run.plan->layers.size(); ++l) {
    const bool counted = run.spec->statistics && run.IsSpiking(l);
    staging.activity.push_back(arena.Take<cuda::ActivitySum>(counted ? launch.samples : 0));
  }
  staging.needed = arena.Take<std::int32_t>(static_cast<std::int64_t>(run.operand_count));
  return staging;
}

std::int64_t StagingBytes(const CudaRun& run, const CudaLaunchShape& launch) {
  CudaArena arena;
  LayOutStaging(run, launch, arena);
  return arena.used();
}

void PackInput(const CudaRun& run, std::size_t input, std::span<const SampleInputs> samples,
               std::int64_t padded, std::int64_t done, std::int64_t steps, std::byte* to) {
  const DataType type = run.spec->inputs[input].type;
  const std::int64_t count = run.plan->populations[input].size * steps;
  const std::int64_t first = run.plan->populations[input].size * done;
  const std::int64_t bytes = count * CudaInputBytes(run, input);
  for (const SampleInputs& sample : samples) {
    const std::byte* from = sample.data[input] + first * SizeOf(type);
    if (run.populations[input].encoded) {
      PackValues(run, input, sample.data[input], to);
    } else if (type == DataType::kFloat64) {
      PackDoubles(from, count, to);
    } else {
      std::memcpy(to, from, Index(bytes));
    }
    to += bytes;
  }
  std::memset(to, 0, Index((padded - static_cast<std::int64_t>(samples.size())) * bytes));
}

}  // namespace spikeserve::engine
