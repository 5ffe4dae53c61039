#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/math/annotations.h"
#include "kernels/math/philox.h"

// How an input value x becomes spikes: the count n of one element at one step, as an integer that may be
// negative where x is. Every function depends on its arguments alone, so that any step of any sample can be
// computed on its own. docs/semantics.md has the formulas and their sources.
namespace spikeserve::math {

// Where a random number of an input belongs: steps are counted from 1.
struct EncodingSite {
  std::uint64_t seed = 0;
  std::uint32_t sample = 0;
  std::uint32_t input = 0;
  std::uint32_t element = 0;
  std::uint32_t step = 1;
};

// The random words of the four elements from 4 * (element / 4) on. The counter's last word keeps inputs apart
// from other users of the same seed.
SPIKESERVE_HOST_DEVICE PhiloxBlock EncodingBlock(const EncodingSite& site) {
  constexpr std::uint32_t kDomain = 0xE0000000U;
  return Philox({{site.element / 4, site.step, site.sample, kDomain ^ site.input}},
                static_cast<std::uint32_t>(site.seed), static_cast<std::uint32_t>(site.seed >> 32));
}

// A uniform double in (0, 1) from 32 random bits.
SPIKESERVE_HOST_DEVICE double EncodingUniform(std::uint32_t word) {
  return (static_cast<double>(word) + 0.5) * (1.0 / 4294967296.0);
}

// e^-x for x in [0, kMaxExpectedSpikes], by (e^(-x/64))^64 and a Taylor series: the same bits on every
// machine. Relative error below 1e-14.
SPIKESERVE_HOST_DEVICE double ExpOfMinus(double x) {
  const double r = -x * (1.0 / 64);  // in [-1/4, 0]
  double series = 1.0 / 479001600;
  series = fma(series, r, 1.0 / 39916800);
  series = fma(series, r, 1.0 / 3628800);
  series = fma(series, r, 1.0 / 362880);
  series = fma(series, r, 1.0 / 40320);
  series = fma(series, r, 1.0 / 5040);
  series = fma(series, r, 1.0 / 720);
  series = fma(series, r, 1.0 / 120);
  series = fma(series, r, 1.0 / 24);
  series = fma(series, r, 1.0 / 6);
  series = fma(series, r, 0.5);
  series = fma(series, r, 1.0);
  double power = fma(series, r, 1.0);
  for (int square = 0; square < 6; ++square) {
    power *= power;
  }
  return power;
}

// Spikes expected in one step that a rate encoding may ask for.
constexpr double kMaxExpectedSpikes = 16;

// Poisson distributed with mean |expected|, by inversion of one uniform number; the sign is that of expected.
SPIKESERVE_HOST_DEVICE std::int32_t PoissonSpikes(double expected, double uniform) {
  constexpr std::int32_t kMost = 255;  // P(n > 255) is below 1e-200 for the largest mean
  const double mean = fabs(expected);
  double probability = ExpOfMinus(mean);
  double below = probability;
  std::int32_t n = 0;
  while (uniform >= below && n < kMost) {
    ++n;
    probability *= mean / n;
    below += probability;
  }
  return expected < 0 ? -n : n;
}

// One spike with probability |expected| <= 1, else none.
SPIKESERVE_HOST_DEVICE std::int32_t BernoulliSpikes(double expected, double uniform) {
  return uniform < fabs(expected) ? (expected < 0 ? -1 : 1) : 0;
}

// Evenly spaced: after `step` steps floor(|expected| * step + 1/2) spikes in all.
SPIKESERVE_HOST_DEVICE std::int32_t RegularSpikes(double expected, std::uint32_t step) {
  const double rate = fabs(expected);
  const double after = floor(fma(rate, static_cast<double>(step), 0.5));
  const double before = floor(fma(rate, static_cast<double>(step) - 1, 0.5));
  const auto n = static_cast<std::int32_t>(after - before);
  return expected < 0 ? -n : n;
}

// Time to first spike: one spike per window for x in (0, 1], the earlier the larger x is: at step
// 1 + floor((1 - x) * (window - 1) + 1/2) of the window. None for x = 0.
SPIKESERVE_HOST_DEVICE std::int32_t LatencySpikes(double x, std::uint32_t window, std::uint32_t step) {
  const double late = floor(fma(1 - x, static_cast<double>(window) - 1, 0.5));
  const std::uint32_t at = (step - 1) % window;
  return x > 0 && static_cast<double>(at) == late ? 1 : 0;
}

// A burst per window for x in (0, 1]: ceil(most * x) spikes, the first at the window's first step, the others
// each ceil(x * min_gap + (1 - x) * max_gap) steps later, as far as the window reaches.
SPIKESERVE_HOST_DEVICE std::int32_t BurstSpikes(double x, std::uint32_t window, std::uint32_t step,
                                                std::uint32_t most, std::uint32_t min_gap,
                                                std::uint32_t max_gap) {
  const double count = ceil(static_cast<double>(most) * fmin(x, 1.0));
  const double low = min_gap;
  const auto gap =
      static_cast<std::uint32_t>(ceil(fma(1 - fmin(x, 1.0), static_cast<double>(max_gap) - low, low)));
  const std::uint32_t at = (step - 1) % window;
  const std::uint32_t place = at / gap;
  return at % gap == 0 && static_cast<double>(place) < count ? 1 : 0;
}

enum class EncodingKind { kUnspecified, kPoisson, kBernoulli, kRegular, kLatency, kBurst };

// Whether the kind draws random numbers.
SPIKESERVE_HOST_DEVICE bool IsRandom(EncodingKind kind) {
  return kind == EncodingKind::kPoisson || kind == EncodingKind::kBernoulli;
}

// Parameters of an encoding; only those of its kind count.
struct EncodingConstants {
  EncodingKind kind = EncodingKind::kUnspecified;
  double at_one = 0;  // spikes per step at x = 1
  std::uint32_t window = 1;
  std::uint32_t most = 1;  // spikes of a burst at x = 1
  std::uint32_t min_gap = 1, max_gap = 1;
};

// Spikes of the value x at `step`, counted from 1. `word` is the element's of EncodingBlock, where IsRandom.
SPIKESERVE_HOST_DEVICE std::int32_t EncodedSpikes(const EncodingConstants& encoding, double x,
                                                  std::uint32_t step, std::uint32_t word) {
  const double expected = x * encoding.at_one;
  switch (encoding.kind) {
    case EncodingKind::kPoisson: return PoissonSpikes(expected, EncodingUniform(word));
    case EncodingKind::kBernoulli: return BernoulliSpikes(expected, EncodingUniform(word));
    case EncodingKind::kRegular: return RegularSpikes(expected, step);
    case EncodingKind::kLatency: return LatencySpikes(x, encoding.window, step);
    case EncodingKind::kBurst:
      return BurstSpikes(x, encoding.window, step, encoding.most, encoding.min_gap, encoding.max_gap);
    case EncodingKind::kUnspecified: break;
  }
  return 0;
}

}  // namespace spikeserve::math
