#pragma once

#include <cstdint>

namespace spikeserve::kernels {

// Outputs per vector of the widest instruction set; blocks of weights are padded to a multiple of it.
constexpr std::int64_t kLaneUnit = 16;
constexpr std::int64_t PadLanes(std::int64_t width) {
  return (width + kLaneUnit - 1) / kLaneUnit * kLaneUnit;
}

}  // namespace spikeserve::kernels
