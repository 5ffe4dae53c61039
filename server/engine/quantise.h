#pragma once

#include <cmath>
#include <cstdint>

namespace spikeserve::engine {

// Weights of a row are integers times a power of two. Bits of their magnitudes: 22-bit integers, and 16-bit
// ones behind spikes in fast mode.
constexpr int kExactWeightBits = 21;
constexpr int kFastWeightBits = 15;

constexpr std::int64_t MaxWeight(int bits) { return (std::int64_t{1} << bits) - 1; }

// The smallest power of two u with |largest| / u, rounded, at most MaxWeight(bits). 1 for a row of zeros.
// A weight w of the row is then off by at most u / 2, which is at most |largest| / MaxWeight(bits).
inline double IntegerUnit(double largest, int bits) {
  if (largest == 0) {
    return 1;
  }
  int exponent = 0;
  (void)std::frexp(largest, &exponent);  // largest < 2^exponent
  const double unit = std::ldexp(1.0, exponent - bits);
  return std::nearbyint(largest / unit) > static_cast<double>(MaxWeight(bits)) ? 2 * unit : unit;
}

}  // namespace spikeserve::engine
