#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace spikeserve::engine {

// Weights of a row are integers times a power of two. The largest of them in magnitude: of 22 bits, and for
// weights that spikes meet in fast mode of two signed digits of 8 bits, 127 * 2^8 + 127, in int8 mode of one.
constexpr std::int32_t kExactLargestWeight = (1 << 21) - 1;
constexpr std::int32_t kFastLargestWeight = 32639;
constexpr std::int32_t kInt8LargestWeight = 127;

// Smaller units are not used: their reciprocals would leave float64.
constexpr int kSmallestUnitExponent = -1000;

// The smallest power of two u >= 2^-1000 with |largest| / u, rounded, at most `most`. 1 for a row of zeros. A
// weight of the row is then off by at most u / 2, which (above the bound of u) is at most |largest| / most.
// `largest` is finite.
inline double IntegerUnit(double largest, std::int32_t most) {
  if (largest == 0) {
    return 1;
  }
  int exponent = 0;
  (void)std::frexp(largest, &exponent);  // largest < 2^exponent
  const auto bits = static_cast<int>(std::bit_width(static_cast<std::uint32_t>(most)));
  const double unit = std::ldexp(1.0, std::max(exponent - bits, kSmallestUnitExponent));
  return std::nearbyint(largest / unit) > most ? 2 * unit : unit;
}

}  // namespace spikeserve::engine
