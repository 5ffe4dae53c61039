#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/math/annotations.h"
#include "kernels/math/philox.h"

// Random draws of the spiking types. A draw depends on its stream, neuron, step and number alone: neither on
// the batch nor on threads. In double on the host and the device, with logarithm and exponential of our own.
namespace spikeserve::math {

// Draws of one layer of one sample.
struct RandomStream {
  std::uint64_t seed = 0;    // of the request
  std::uint32_t sample = 0;  // its place in the request
  std::uint32_t layer = 0;   // below 2^24
};

// Two independent uniform numbers in [0, 1), of 53 and 24 bits.
struct UniformPair {
  double first;
  double second;
};

SPIKESERVE_HOST_DEVICE UniformPair DrawUniforms(const RandomStream& stream, std::uint32_t neuron,
                                                std::uint32_t step, std::uint32_t draw) {
  constexpr std::uint32_t kDomain = 0x73706b65U;  // apart from the draws of initial voltages
  const PhiloxBlock block = Philox({{neuron, step, (stream.layer << 8) | (draw & 0xffU), stream.sample}},
                                   static_cast<std::uint32_t>(stream.seed),
                                   static_cast<std::uint32_t>(stream.seed >> 32) ^ kDomain);
  const std::uint64_t bits = (static_cast<std::uint64_t>(block.word[0]) << 21) | (block.word[1] >> 11);
  return {static_cast<double>(bits) * 0x1p-53, static_cast<double>(block.word[2] >> 8) * 0x1p-24};
}

// ln x for a normal x > 0: x = 2^n m, m in [sqrt(1/2), sqrt(2)), ln m = 2 atanh((m-1)/(m+1)). Absolute error
// below 1e-14 + 1e-15 |ln x|.
SPIKESERVE_HOST_DEVICE double Log64(double x) {
  constexpr double kLn2 = 0.69314718055994530942;
  constexpr std::uint64_t kSqrtHalfBits = 0x3fe6a09e667f3bcdU;
  union {
    double value;
    std::uint64_t bits;
  } pun = {x};
  const std::int64_t n = static_cast<std::int64_t>(pun.bits - kSqrtHalfBits) >> 52;
  pun.bits -= static_cast<std::uint64_t>(n) << 52;
  const double s = (pun.value - 1.0) / (pun.value + 1.0);
  const double s2 = s * s;
  double series = 2.0 / 21.0;
  for (int k = 19; k >= 1; k -= 2) {
    series = fma(series, s2, 2.0 / k);
  }
  return fma(static_cast<double>(n), kLn2, series * s);
}

// e^-x for x in [0, 16]: the Taylor series of x/16, then four squarings. Relative error below 1e-14.
SPIKESERVE_HOST_DEVICE double ExpOfMinus64(double x) {
  const double r = -x / 16.0;
  double series = 1.0;
  for (int k = 18; k >= 1; --k) {
    series = fma(series, r / k, 1.0);
  }
  for (int i = 0; i < 4; ++i) {
    series = series * series;
  }
  return series;
}

// ln k! by Stirling's series, for k >= 9: error below 1e-12 of itself; by its product below.
SPIKESERVE_HOST_DEVICE double LogFactorial64(double k) {
  constexpr double kHalfLn2Pi = 0.91893853320467274178;
  if (k < 9.0) {
    double product = 1.0;
    for (int i = 2; static_cast<double>(i) <= k; ++i) {
      product = product * static_cast<double>(i);
    }
    return Log64(product);
  }
  const double x = k + 1.0;
  const double y = 1.0 / (x * x);
  double series = -1.0 / 1680.0;
  series = fma(series, y, 1.0 / 1260.0);
  series = fma(series, y, -1.0 / 360.0);
  series = fma(series, y, 1.0 / 12.0);
  return fma(x - 0.5, Log64(x), -x) + kHalfLn2Pi + series / x;
}

// n = floor(x) plus 1 with the probability of what is left, for x >= 0.
SPIKESERVE_HOST_DEVICE double StochasticCount(double x, const RandomStream& stream, std::uint32_t neuron,
                                              std::uint32_t step) {
  const double whole = floor(x);
  return whole + (DrawUniforms(stream, neuron, step, 0).first < x - whole ? 1.0 : 0.0);
}

constexpr double kLargestPoissonMean = 16777216.0;  // beyond, the mean itself, which no layer may emit

// A Poisson number with mean x >= 0: below 10 by inversion (one draw), above by transformed rejection,
// algorithm PTRS of Hoermann, "The transformed rejection method for generating Poisson random variables",
// Insurance: Mathematics and Economics 12, 1993.
SPIKESERVE_HOST_DEVICE double PoissonCount(double x, const RandomStream& stream, std::uint32_t neuron,
                                           std::uint32_t step) {
  if (!(x < kLargestPoissonMean)) {
    return x;
  }
  if (x < 10.0) {
    const double u = DrawUniforms(stream, neuron, step, 0).first;
    double probability = ExpOfMinus64(x);
    double below = probability;
    double count = 0.0;
    while (u >= below && count < 100.0) {  // P(n > 100) is below 1e-60
      count += 1.0;
      probability = probability * x / count;
      below = below + probability;
    }
    return count;
  }
  const double root = sqrt(x);
  const double b = 0.931 + 2.53 * root;
  const double a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
  const double accept = 0.9277 - 3.6224 / (b - 2.0);
  const double log_x = Log64(x);
  for (std::uint32_t draw = 0; draw < 256; ++draw) {  // three of four draws are accepted at least
    const UniformPair pair = DrawUniforms(stream, neuron, step, draw);
    const double u = pair.first - 0.5;
    const double v = pair.second + 0x1p-25;
    const double us = 0.5 - fabs(u);
    const double k = floor((2.0 * a / us + b) * u + x + 0.43);
    if (us >= 0.07 && v <= accept) {
      return k;
    }
    if (k < 0.0 || (us < 0.013 && v > us)) {
      continue;
    }
    if (Log64(v * inverse_alpha / (a / (us * us) + b)) <= fma(k, log_x, -x) - LogFactorial64(k)) {
      return k;
    }
  }
  return floor(x);
}

}  // namespace spikeserve::math
