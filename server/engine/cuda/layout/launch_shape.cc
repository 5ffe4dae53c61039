#include "server/engine/cuda/layout/launch_shape.h"

#include <algorithm>
#include <bit>
#include <string>

namespace spikeserve::engine {
namespace {

// Spikes that one layer writes are read by the next while they are still in the L2.
constexpr std::int64_t kL2Share = 4;  // keeps 3/4 of it
constexpr std::int64_t kUnknownL2 = std::int64_t{4} << 20;
// Buffers that hold a chunk of the whole batch.
constexpr std::int64_t kBatchChunkBytes = std::int64_t{256} << 20;
// cuBLAS counts rows, and a grid its blocks, in 31 bits.
constexpr std::int64_t kMostLines = std::int64_t{1} << 30;

std::int64_t Divide(std::int64_t a, std::int64_t b) { return b == 0 ? kMostLines : a / b; }

}  // namespace

std::int64_t BatchBucket(std::int64_t samples) {
  if (samples <= 4) {
    return std::max<std::int64_t>(1, samples);
  }
  const auto below = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(samples - 1)));
  const std::int64_t unit = std::max<std::int64_t>(1, below / 4);
  return (samples + unit - 1) / unit * unit;
}

Result<CudaLaunchShape> ShapeCudaLaunch(const CudaDemand& demand, std::int64_t samples,
                                        const cuda::DeviceLimits& limits) {
  CudaLaunchShape shape;
  shape.samples = BatchBucket(samples);
  const std::int64_t fixed = demand.fixed_bytes + shape.samples * demand.sample_bytes;
  const std::int64_t least = fixed + demand.row_bytes + shape.samples * demand.batch_step_bytes;
  if (least > limits.memory_bytes || demand.lines_per_row > kMostLines) {
    return ResourceExhausted("a batch of " + std::to_string(samples) + " samples needs at least " +
                             std::to_string(least) + " bytes on the GPU, which has " +
                             std::to_string(limits.memory_bytes) + "; send fewer samples at once");
  }
  // Half for each, but what one step of one sample or of the batch takes in any case.
  const std::int64_t spare = limits.memory_bytes - fixed;
  const std::int64_t batch_step = shape.samples * demand.batch_step_bytes;
  const std::int64_t batch_bytes = std::min({kBatchChunkBytes, spare / 2, spare - demand.row_bytes});
  const std::int64_t batch_chunk =
      std::min(demand.steps, std::max<std::int64_t>(1, Divide(batch_bytes, batch_step)));
  const std::int64_t row_space =
      std::min(std::max(spare / 2, demand.row_bytes), spare - batch_chunk * batch_step);
  const std::int64_t l2 = limits.l2_bytes > 0 ? limits.l2_bytes : kUnknownL2;
  std::int64_t rows = std::max(Divide(l2 - l2 / kL2Share, demand.hot_row_bytes), limits.least_rows);
  rows = std::min({rows, Divide(row_space, demand.row_bytes),
                   kMostLines / std::max<std::int64_t>(1, demand.lines_per_row)});
  rows = std::max<std::int64_t>(1, rows);
  shape.chunk = std::min({demand.steps, kMostCudaChunkSteps, batch_chunk, rows});
  shape.group = std::min(shape.samples, rows / shape.chunk);
  return shape;
}

}  // namespace spikeserve::engine
