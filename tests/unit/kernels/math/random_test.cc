#include "kernels/math/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace spikeserve::math {
namespace {

constexpr int kDraws = 40000;

TEST(Random, LogarithmAndExponentialStayWithinTheirBounds) {
  for (double x = 1e-9; x < 1e12; x *= 1.037) {
    ASSERT_NEAR(Log64(x), std::log(x), 1e-14 + 1e-15 * std::abs(std::log(x))) << x;
  }
  for (double x = 0; x <= 16; x += 0.01) {
    ASSERT_NEAR(ExpOfMinus64(x) / std::exp(-x), 1, 1e-14) << x;
  }
  for (double k = 0; k < 3e7; k = k < 40 ? k + 1 : std::floor(k * 1.3)) {
    const double exact = std::lgamma(k + 1);
    ASSERT_NEAR(LogFactorial64(k), exact, 1e-12 * std::max(1.0, exact)) << k;
  }
}

// Mean and variance of a Poisson number are its parameter, on both sides of the change of algorithm.
TEST(Random, PoissonCountsHaveTheirMeanAndVariance) {
  for (const double mean : {0.01, 0.3, 2.0, 9.9, 10.1, 30.0, 400.0, 1e6}) {
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double count = PoissonCount(mean, {7, 1, 2}, static_cast<std::uint32_t>(i), 3);
      ASSERT_EQ(count, std::floor(count));
      ASSERT_GE(count, 0);
      sum += count - mean;
      squares += (count - mean) * (count - mean);
    }
    EXPECT_LT(std::abs(sum / kDraws), 4 * std::sqrt(mean / kDraws)) << mean;
    // The fourth central moment is mean (1 + 3 mean).
    const double deviation = std::sqrt((mean + 2 * mean * mean) / kDraws);
    EXPECT_LT(std::abs(squares / kDraws - mean), 4 * deviation) << mean;
  }
  EXPECT_EQ(PoissonCount(0, {7, 1, 2}, 0, 3), 0);
}

// The whole distribution, below and above the change of algorithm.
TEST(Random, PoissonCountsHaveTheirProbabilities) {
  for (const double mean : {3.0, 14.0}) {
    int seen[60] = {};
    for (int i = 0; i < kDraws; ++i) {
      ++seen[std::min(59, static_cast<int>(PoissonCount(mean, {8, 0, 0}, static_cast<std::uint32_t>(i), 0)))];
    }
    for (int k = 0; k < 59; ++k) {
      const double p = std::exp(k * std::log(mean) - mean - std::lgamma(k + 1.0));
      const double deviation = std::sqrt(kDraws * p * (1 - p));
      EXPECT_LT(std::abs(seen[k] - kDraws * p), 4.5 * deviation + 3) << mean << " " << k;
    }
  }
}

TEST(Random, StochasticCountsKeepTheMean) {
  double sum = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double count = StochasticCount(2.3, {7, 0, 0}, static_cast<std::uint32_t>(i), 0);
    ASSERT_TRUE(count == 2 || count == 3);
    sum += count;
  }
  EXPECT_LT(std::abs(sum / kDraws - 2.3), 4 * std::sqrt(0.21 / kDraws));
  EXPECT_EQ(StochasticCount(5, {7, 0, 0}, 0, 0), 5);
}

// Every part of the key counts.
TEST(Random, DrawsDifferBySeedSampleLayerNeuronStepAndNumber) {
  const double base = DrawUniforms({1, 2, 3}, 4, 5, 6).first;
  EXPECT_EQ(DrawUniforms({1, 2, 3}, 4, 5, 6).first, base);
  EXPECT_NE(DrawUniforms({9, 2, 3}, 4, 5, 6).first, base);
  EXPECT_NE(DrawUniforms({1ULL << 40, 2, 3}, 4, 5, 6).first, base);
  EXPECT_NE(DrawUniforms({1, 9, 3}, 4, 5, 6).first, base);
  EXPECT_NE(DrawUniforms({1, 2, 9}, 4, 5, 6).first, base);
  EXPECT_NE(DrawUniforms({1, 2, 3}, 9, 5, 6).first, base);
  EXPECT_NE(DrawUniforms({1, 2, 3}, 4, 9, 6).first, base);
  EXPECT_NE(DrawUniforms({1, 2, 3}, 4, 5, 9).first, base);
}

}  // namespace
}  // namespace spikeserve::math
