#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "server/engine/exact_currents.h"
#include "server/engine/exact_run.h"

namespace spikeserve::engine {

// What the populations emit during one chunk of steps of one sample, and buffers to work in. Belongs to one
// thread, which reuses it from sample to sample.
class ExactScratch {
 public:
  explicit ExactScratch(const ExactRun& run);

  // Spike counts of a spiking population at a step of the chunk.
  std::span<std::int32_t> Counts(std::int64_t population, std::int64_t step);
  // Values of any other population at a step of the chunk; an input that is held has one row for all steps.
  std::span<float> Values(std::int64_t population, std::int64_t step);
  // Largest of Counts(population, step).
  std::int32_t& Largest(std::int64_t population, std::int64_t step);

  CurrentScratch currents;
  std::vector<std::int32_t> bytes;         // one step of a uint8 input
  std::vector<float> current, total, output;  // of one layer

 private:
  struct Rows {
    std::int64_t size = 0;
    std::int64_t rows = 0;
    std::vector<std::int32_t> counts, largest;
    std::vector<float> values;
  };
  std::vector<Rows> rows_;  // [population]
};

}  // namespace spikeserve::engine
