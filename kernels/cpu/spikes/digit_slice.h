#pragma once

#include <cstdint>
#include <span>

namespace spikeserve::kernels {

// One slice of DigitWeights (digit_sums.h).
struct DigitSlice {
  const std::int8_t* weights;
  std::int64_t segments;
  std::int64_t groups;  // of a segment
};

using UsedGroups = std::span<const std::int32_t>;

// Steps are summed up to eight at a time, and about as many each time: few would wait for each other's sums.
constexpr std::int64_t kStepsAtOnce = 8;
constexpr std::int64_t PartsOf(std::int64_t steps) { return (steps + kStepsAtOnce - 1) / kStepsAtOnce; }

// Sums at a time that keep a processor with VNNI busy, which adds to two in each cycle and to each of them in
// every fourth.
constexpr std::int64_t kEnoughSums = 8;

}  // namespace spikeserve::kernels
