#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "server/engine/cpu/cpu_run.h"
#include "server/engine/cpu/currents.h"
#include "server/engine/cpu/vector_scratch.h"
#include "server/engine/samples/thread_pool.h"

namespace spikeserve::engine {

// What the populations emit during one chunk of steps of one sample, and buffers to work in. Belongs to one
// thread, which reuses it from sample to sample.
class CpuScratch {
 public:
  explicit CpuScratch(const CpuRun& run);

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
  std::vector<std::int32_t> bytes;            // one step of a uint8 input
  std::vector<float> current, total, output;  // of one layer
  VectorScratch vectors;
  ThreadPool* pool = nullptr;  // threads that are free to share the work of one sample; null: none

 private:
  struct Rows {
    std::int64_t size = 0;
    std::int64_t rows = 0;
    std::vector<std::int32_t> counts, largest;  // of the plain loops, made when first written
    std::vector<std::uint8_t> bytes;            // made when first written or read
    std::int32_t largest_byte = -1;             // >= 0: the bytes are what counts, and none is above it
    bool folded = false;
    std::vector<float> values;
  };
  void MakeBytes(Rows& rows);

  std::vector<Rows> rows_;  // [population]
  std::vector<std::int32_t> widened_;
};

}  // namespace spikeserve::engine
