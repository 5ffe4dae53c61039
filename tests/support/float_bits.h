#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

namespace spikeserve::testing {

// Values as integers, so that comparing them tells 0 from -0.
inline std::vector<std::uint32_t> FloatBits(std::span<const float> values) {
  std::vector<std::uint32_t> bits;
  for (const float value : values) {
    bits.push_back(std::bit_cast<std::uint32_t>(value));
  }
  return bits;
}

}  // namespace spikeserve::testing
