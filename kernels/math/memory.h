#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/math/annotations.h"

// Neurons with memory (signed neuron with memory, SNM; Wang, Zhang, Chen, Qu, IJCAI 2022): what one has sent
// is a function of all that it has received, N_t = g(Z_t, t), in integers. Z counts in units of 2^-shift
// spikes; right shifts of what is below 0 round down.
namespace spikeserve::math {

constexpr int kSlopeBits = 15;
// What sources bring, biases and starts are at most in magnitude, each: their sum then fits an int64.
constexpr std::int64_t kMostReceived = std::int64_t{1} << 60;
// What a neuron has sent in all is at most that in magnitude.
constexpr std::int64_t kMostSent = (std::int64_t{1} << 30) - 1;

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

// Z of a neuron that sends at most `ceiling` >= 0 a step, in its units, after `steps` >= 1 steps.
SPIKESERVE_HOST_DEVICE std::int64_t AtMost(std::int64_t z, std::int64_t ceiling, std::int64_t steps) {
  if (ceiling > INT64_MAX / steps) {
    return z;
  }
  const std::int64_t most = ceiling * steps;
  return z < most ? z : most;
}

// RN(value), within 2^62; that too where it is not a number.
SPIKESERVE_HOST_DEVICE std::int64_t RoundWhole(double value) {
  constexpr double kMost = 4611686018427387904.0;  // 2^62
  if (!(value < kMost)) {
    return static_cast<std::int64_t>(kMost);
  }
  return value > -kMost ? llrint(value) : -static_cast<std::int64_t>(kMost);
}

}  // namespace spikeserve::math
