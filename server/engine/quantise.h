#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace spikeserve::engine {

// Weights of a row are integers times a power of two. The largest of them in magnitude: of 22 bits, and for
// weights that spikes meet in fast mode of two signed digits of 8 bits, 127 * 2^8 + 127.
constexpr std::int32_t kExactLargestWeight = (1 << 21) - 1;
constexpr std::int32_t kFastLargestWeight = 32639;

// The smallest power of two u with |largest| / u, rounded, at most `most`. 1 for a row of zeros. A weight of
// the row is then off by at most u / 2, which is at most |largest| / most.
inline double IntegerUnit(double largest, std::int32_t most) {
  if (largest == 0) {
    return 1;
  }
  int exponent = 0;
  (void)std::frexp(largest, &exponent);  // largest < 2^exponent
  const auto bits = static_cast<int>(std::bit_width(static_cast<std::uint32_t>(most)));
  const double unit = std::ldexp(1.0, exponent - bits);
  return std::nearbyint(largest / unit) > most ? 2 * unit : unit;
}

}  // namespace spikeserve::engine
