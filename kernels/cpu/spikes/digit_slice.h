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

}  // namespace spikeserve::kernels
