#pragma once

#include <cmath>
#include <cstdint>

namespace spikeserve::engine {

// Weights of a row are integers of 22 bits (sign and 21) times a power of two.
constexpr int kWeightBits = 21;
constexpr std::int64_t kMaxWeight = (std::int64_t{1} << kWeightBits) - 1;

// The smallest power of two u with |largest| / u, rounded, at most kMaxWeight. 1 for a row of zeros.
inline double IntegerUnit(double largest) {
  if (largest == 0) {
    return 1;
  }
  int exponent = 0;
  (void)std::frexp(largest, &exponent);  // largest < 2^exponent
  const double unit = std::ldexp(1.0, exponent - kWeightBits);
  return std::nearbyint(largest / unit) > static_cast<double>(kMaxWeight) ? 2 * unit : unit;
}

}  // namespace spikeserve::engine
