#pragma once

#include <cmath>
#include <cstdint>

namespace spikeserve::engine {

// Weights of a row are integers of so many bits beside the sign, times a power of two: 22-bit ones in exact
// mode, and in fast mode 16-bit ones behind spiking populations.
constexpr int kWeightBits = 21;
constexpr int kFastWeightBits = 15;

constexpr std::int64_t MaxWeight(int bits) { return (std::int64_t{1} << bits) - 1; }
constexpr std::int64_t kMaxWeight = MaxWeight(kWeightBits);

// The smallest power of two u with |largest| / u, rounded, at most MaxWeight(bits). 1 for a row of zeros.
// Half a unit, the most that a weight of the row is off by, is at most |largest| / MaxWeight(bits).
inline double IntegerUnit(double largest, int bits = kWeightBits) {
  if (largest == 0) {
    return 1;
  }
  int exponent = 0;
  (void)std::frexp(largest, &exponent);  // largest < 2^exponent
  const double unit = std::ldexp(1.0, exponent - bits);
  return std::nearbyint(largest / unit) > static_cast<double>(MaxWeight(bits)) ? 2 * unit : unit;
}

}  // namespace spikeserve::engine
