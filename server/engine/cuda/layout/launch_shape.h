#pragma once

#include <cstdint>

#include "kernels/cuda/runtime/device.h"
#include "server/base/status.h"

// How a batch is cut into launches. Plain arithmetic, free of any device.
namespace spikeserve::engine {

// What one network and specification need.
struct CudaDemand {
  std::int64_t steps = 1;          // of the run
  std::int64_t row_bytes = 0;      // buffers per sample and step of a group
  std::int64_t hot_row_bytes = 0;  // of these, what the busiest layer reads and writes
  // Buffers per sample and step of the whole batch: varying inputs, trajectories.
  std::int64_t batch_step_bytes = 0;
  std::int64_t sample_bytes = 0;   // per sample, whatever the steps
  std::int64_t fixed_bytes = 0;    // per workspace
  std::int64_t lines_per_row = 1;  // rows of the tallest product per sample and step
};

constexpr std::int64_t kMostCudaChunkSteps = 1024;

// Samples are padded to `samples`, run in groups of `group` through all layers, `chunk` steps at a time.
struct CudaLaunchShape {
  std::int64_t samples = 1;
  std::int64_t group = 1;
  std::int64_t chunk = 1;

  std::int64_t rows() const { return group * chunk; }
  bool operator==(const CudaLaunchShape&) const = default;
};

// The batch size that `samples` are padded to: few sizes, so that graphs are used again; at most a quarter is
// waste.
std::int64_t BatchBucket(std::int64_t samples);

// RESOURCE_EXHAUSTED, saying what is wanted and what there is, where not even one sample and step fit.
Result<CudaLaunchShape> ShapeCudaLaunch(const CudaDemand& demand, std::int64_t samples,
                                        const cuda::DeviceLimits& limits);

}  // namespace spikeserve::engine
