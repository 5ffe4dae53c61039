#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/population.h"

namespace spikeserve::kernels {

// Runs step(j), which returns a spike count as float, over n neurons. Inlined, so that a caller compiled for
// several instruction sets has a loop for each.
template <typename Step>
inline __attribute__((always_inline)) StepResult ForEachNeuron(std::size_t n, std::int32_t* counts,
                                                               Step step) {
  std::int32_t largest = 0;
  std::int32_t out_of_range = 0;
  std::int64_t total = 0;
  for (std::size_t j = 0; j < n; ++j) {
    const float spikes = step(j);
    const bool in_range = __builtin_fabsf(spikes) < kMaxSpikesPerStep;  // false for what is not a number
    out_of_range |= in_range ? 0 : 1;
    const auto count = static_cast<std::int32_t>(in_range ? spikes : 0.0F);
    counts[j] = count;
    const std::int32_t magnitude = count < 0 ? -count : count;
    largest = magnitude > largest ? magnitude : largest;
    total += count;
  }
  return {largest, total, out_of_range == 0};
}

}  // namespace spikeserve::kernels
