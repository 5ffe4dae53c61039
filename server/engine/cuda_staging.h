#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/engine/cuda_layout.h"

namespace spikeserve::engine {

// Pinned memory through which a run's inputs and answers pass.
struct CudaStaging {
  static constexpr std::size_t kSlots = 2;  // one is filled while the device still reads the other

  std::array<std::vector<std::byte*>, kSlots>
      inputs;                             // [slot][input]: [samples][chunk or 1][size], as float32 or uint8
  std::uint32_t* sample_index = nullptr;  // [samples], where neurons draw numbers
  std::int32_t* exceeded = nullptr;
  std::int32_t* failed = nullptr;            // [samples]
  std::int64_t* sample_spikes = nullptr;     // [samples]
  std::vector<float*> answers;               // [probe]: of folded ones, or the last values; [samples][size]
  std::vector<double*> sums;                 // [probe]: [samples][size]
  std::vector<float*> trajectories;          // [probe]: [samples][chunk][size]
  std::vector<cuda::ActivitySum*> activity;  // [layer]: [samples]
};

// Bytes of one element of an input on the device.
std::int64_t CudaInputBytes(const CudaRun& run, std::size_t input);

CudaStaging LayOutStaging(const CudaRun& run, const CudaLaunchPlan& launch, CudaArena& arena);
std::int64_t StagingBytes(const CudaRun& run, const CudaLaunchPlan& launch);

// Writes steps [done, done + steps) of an input of each sample into `to`, as the device wants it, zeros for
// samples that only pad the batch. `steps` is 1 and `done` 0 where held.
void PackInput(const CudaRun& run, std::size_t input, std::span<const SampleInputs> samples,
               std::int64_t padded, std::int64_t done, std::int64_t steps, std::byte* to);

}  // namespace spikeserve::engine
