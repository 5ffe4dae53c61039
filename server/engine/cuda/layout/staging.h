#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/engine/cuda/layout/layout.h"

namespace spikeserve::engine {

// Pinned memory through which a run's inputs and answers pass.
struct CudaStaging {
  // [input]: [samples][chunk][size] of those that vary in time, [samples][size] of the others, which only the
  // first slot has; as float32 or uint8.
  struct Slot {
    std::vector<std::byte*> inputs;
    std::int32_t* exceeded = nullptr;
    std::vector<float*> trajectories;  // [probe]: [samples][chunk][size]
    std::vector<float*> records;       // [request probe]: [samples][chunk][size]
  };

  std::array<Slot, kCudaSlots> slots;        // of chunks on their way
  std::uint32_t* sample_index = nullptr;     // [samples], where numbers are drawn
  std::int32_t* failed = nullptr;            // [samples]
  std::int64_t* sample_spikes = nullptr;     // [samples]
  std::vector<float*> answers;               // [probe]: of folded ones, or the last values; [samples][size]
  std::vector<double*> sums;                 // [probe]: [samples][size]
  std::vector<cuda::ActivitySum*> activity;  // [layer]: [samples]
  std::int32_t* needed = nullptr;            // [operand], of layers in closed form
};

// Bytes of one element of an input on the device.
std::int64_t CudaInputBytes(const CudaRun& run, std::size_t input);

CudaStaging LayOutStaging(const CudaRun& run, const CudaLaunchShape& launch, CudaArena& arena);
std::int64_t StagingBytes(const CudaRun& run, const CudaLaunchShape& launch);

// Whether an input's values go up once, not with every chunk.
inline bool GoesUpOnce(const CudaPopulation& input) { return input.held || input.encoded; }

// Writes steps [done, done + steps) of an input of each sample into `to`, as the device wants it, zeros for
// samples that only pad the batch. `steps` is 1 and `done` 0 for those that
// go up once.
void PackInput(const CudaRun& run, std::size_t input, std::span<const SampleInputs> samples,
               std::int64_t padded, std::int64_t done, std::int64_t steps, std::byte* to);

}  // namespace spikeserve::engine
