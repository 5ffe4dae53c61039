#pragma once

#include <cstdint>

#include "kernels/math/annotations.h"

// Neurons with memory (signed neuron with memory, SNM; Wang, Zhang, Chen, Qu, IJCAI 2022): what one has sent
// is a function of all that it has received, N_t = g(Z_t, t), in integers. Z counts in units of 2^-shift
// spikes; right shifts of what is below 0 round down.
namespace spikeserve::math {

constexpr int kSlopeBits = 15;

// floor(slope * z / 2^kSlopeBits), with |slope| <= 2^kSlopeBits and |z| < 2^62.
SPIKESERVE_HOST_DEVICE std::int64_t TimesSlope(std::int64_t slope, std::int64_t z) {
  const std::int64_t high = z >> kSlopeBits;
  const std::int64_t low = z - high * (std::int64_t{1} << kSlopeBits);
  return slope * high + ((slope * low) >> kSlopeBits);
}

// Rectified: N = max((Z + start) >> shift, 0). |Z| + |start| < 2^62.
SPIKESERVE_HOST_DEVICE std::int64_t SentRectified(std::int64_t z, std::int64_t start, int shift) {
  const std::int64_t v = z + start;
  return v > 0 ? v >> shift : 0;
}

// With a slope below 0, as an integer of kSlopeBits fraction bits that is not 0: N may be negative.
SPIKESERVE_HOST_DEVICE std::int64_t SentLeaky(std::int64_t z, std::int64_t start, int shift,
                                              std::int64_t slope) {
  return ((z < 0 ? TimesSlope(slope, z) : z) + start) >> shift;
}

}  // namespace spikeserve::math
