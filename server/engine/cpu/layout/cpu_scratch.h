#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "server/engine/cpu/layout/arena.h"
#include "server/engine/cpu/layout/closed_scratch.h"
#include "server/engine/cpu/layout/run_shape.h"
#include "server/engine/cpu/layout/vector_scratch.h"
#include "server/engine/samples/thread_pool.h"

namespace spikeserve::engine {

// Buffers for the current of one term; wide enough for every product of the plan. One thread at a time.
struct CurrentScratch {
  CurrentScratch() = default;
  CurrentScratch(const Plan& plan, CpuArena& arena);

  std::span<std::int32_t> cells, narrow;
  std::span<std::int64_t> wide;
  std::span<float> float_cells, sums;
};

// What the populations emit during one chunk of steps of one sample, and buffers to work in. Belongs to one
// thread, which reuses it from sample to sample.
class CpuScratch {
 public:
  explicit CpuScratch(const RunShape& run);
  // Upper bound of what one takes.
  static std::int64_t Bytes(const RunShape& run);

  // Spike counts of a spiking population at a step of the chunk, to be read; the view lasts until the next
  // call.
  std::span<const std::int32_t> Counts(std::int64_t population, std::int64_t step);
  // The same, to be written by the plain loops, with the largest count of the step.
  std::span<std::int32_t> WriteCounts(std::int64_t population, std::int64_t step);
  std::int32_t& Largest(std::int64_t population, std::int64_t step);

  // Spike counts of the chunk as bytes, [steps][size] with kCountPadding readable behind; null where one does
  // not fit a byte. For the vector kernels, which write them too.
  const std::uint8_t* ByteCounts(std::int64_t population, std::int64_t steps);
  std::uint8_t* WriteByteCounts(std::int64_t population);
  // Says what the vector kernel did: no count is above `largest`, and the readout's fold has them or not.
  void SetByteCounts(std::int64_t population, std::int32_t largest, bool folded);
  bool IsFolded(std::int64_t population) const { return rows_[Index(population)].folded; }
  // No count of the chunk is above it.
  std::int32_t LargestOfChunk(std::int64_t population, std::int64_t steps) const;

  // Values of any other population at a step of the chunk; an input that is held has one row for all steps.
  std::span<float> Values(std::int64_t population, std::int64_t step);

  CurrentScratch currents;
  std::span<std::int32_t> bytes;            // one step of a uint8 input
  std::span<float> current, total, output;  // of one layer
  std::span<std::int64_t> charges;          // of one term of a layer with memory
  std::span<std::int64_t> other;            // beside it: another factor, or what neurons have sent
  VectorScratch vectors;
  ClosedScratch closed;
  ThreadPool* pool = nullptr;  // threads that are free to share the work of one sample; null: none

 private:
  struct Rows {
    std::int64_t size = 0;
    std::int64_t rows = 0;
    std::span<std::int32_t> counts, largest;  // of the plain loops
    std::span<std::uint8_t> bytes;
    std::int32_t largest_byte = -1;  // >= 0: the bytes are what counts, and none is above it
    bool folded = false;
    std::span<float> values;
  };

  CpuScratch() = default;
  void LayOut(const RunShape& run, CpuArena& arena);

  CpuMemory memory_;
  std::vector<Rows> rows_;  // [population]
  std::span<std::int32_t> widened_;
};

}  // namespace spikeserve::engine
