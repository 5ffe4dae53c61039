// Encodings of one value: distributions within 4 standard errors, deterministic codes against their formulas.

#include "kernels/math/encoding.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace spikeserve::math {
namespace {

constexpr int kDraws = 200'000;

struct Moments {
  double mean = 0;
  double variance = 0;
};

template <typename Draw>
Moments Sample(Draw draw) {
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const EncodingSite site{42, static_cast<std::uint32_t>(i % 7), 1, static_cast<std::uint32_t>(i / 1000),
                            static_cast<std::uint32_t>(i % 1000 + 1)};
    const double n = draw(EncodingUniform(EncodingBlock(site).word[i % 4]));
    sum += n;
    squares += n * n;
  }
  const double mean = sum / kDraws;
  return {mean, squares / kDraws - mean * mean};
}

TEST(Encoding, PoissonHasMeanAndVarianceOfItsRate) {
  for (const double rate : {0.01, 0.3, 1.0, 4.0, 16.0}) {
    const Moments moments = Sample([&](double u) { return PoissonSpikes(rate, u); });
    const double mean_error = std::sqrt(rate / kDraws);
    const double variance_error = std::sqrt((rate + 2 * rate * rate) / kDraws);  // fourth moment of Poisson
    EXPECT_NEAR(moments.mean, rate, 4 * mean_error) << rate;
    EXPECT_NEAR(moments.variance, rate, 4 * variance_error) << rate;
  }
}

TEST(Encoding, BernoulliHasMeanAndVarianceOfItsProbability) {
  for (const double p : {0.01, 0.25, 0.5, 0.99}) {
    const Moments moments = Sample([&](double u) { return BernoulliSpikes(-p, u); });
    const double variance = p * (1 - p);
    EXPECT_NEAR(moments.mean, -p, 4 * std::sqrt(variance / kDraws)) << p;
    const double fourth = variance * (1 - 3 * variance);
    EXPECT_NEAR(moments.variance, variance, 4 * std::sqrt((fourth - variance * variance) / kDraws) + 1e-5)
        << p;
  }
}

TEST(Encoding, PoissonInvertsItsDistributionFunction) {
  EXPECT_EQ(PoissonSpikes(0, 0.999999), 0);
  EXPECT_EQ(PoissonSpikes(1, 0.36787), 0);
  EXPECT_EQ(PoissonSpikes(1, 0.36788), 1);
  EXPECT_EQ(PoissonSpikes(-1, 0.7358), -2);
  EXPECT_LT(PoissonSpikes(kMaxExpectedSpikes, 1 - 1e-10), 80);
}

TEST(Encoding, ExponentialIsThatOfDoublePrecision) {
  for (double x = 0; x <= kMaxExpectedSpikes; x += 0.03125) {
    EXPECT_NEAR(ExpOfMinus(x) / std::exp(-x), 1, 1e-13) << x;
  }
}

TEST(Encoding, RegularKeepsTheRoundedTotalAtEveryStep) {
  for (const double rate : {0.0, 0.001, 0.3, 1.0 / 3, 1.0, 2.75, -0.3}) {
    std::int64_t total = 0;
    for (std::uint32_t step = 1; step <= 5000; ++step) {
      total += RegularSpikes(rate, step);
      const double wanted = std::floor(std::abs(rate) * step + 0.5);
      ASSERT_EQ(static_cast<double>(total), rate < 0 ? -wanted : wanted) << rate << " step " << step;
    }
  }
}

TEST(Encoding, LatencySpikesOncePerWindowTheEarlierTheLarger) {
  constexpr std::uint32_t kWindow = 21;
  std::uint32_t last = kWindow + 1;
  for (const double x : {0.0, 0.001, 0.25, 0.5, 0.75, 1.0}) {
    std::vector<std::uint32_t> at;
    for (std::uint32_t step = 1; step <= 2 * kWindow; ++step) {
      if (LatencySpikes(x, kWindow, step) != 0) {
        at.push_back(step);
      }
    }
    ASSERT_EQ(at.size(), x > 0 ? 2U : 0U) << x;
    if (x == 0) {
      continue;
    }
    EXPECT_EQ(at[1], at[0] + kWindow);
    EXPECT_EQ(at[0], 1 + static_cast<std::uint32_t>(std::floor((1 - x) * 20 + 0.5))) << x;
    EXPECT_LT(at[0], last);
    last = at[0];
  }
}

TEST(Encoding, BurstHasItsCountAndGap) {
  const auto burst = [](double x) {
    std::vector<std::uint32_t> at;
    for (std::uint32_t step = 1; step <= 20; ++step) {
      if (BurstSpikes(x, 20, step, 5, 1, 4) != 0) {
        at.push_back(step);
      }
    }
    return at;
  };
  using Steps = std::vector<std::uint32_t>;
  EXPECT_EQ(burst(0), Steps{});
  EXPECT_EQ(burst(0.001), Steps{1});
  EXPECT_EQ(burst(0.4), (Steps{1, 4}));     // gap ceil(0.4 + 0.6 * 4) = 3
  EXPECT_EQ(burst(0.6), (Steps{1, 4, 7}));  // gap ceil(0.6 + 0.4 * 4) = 3
  EXPECT_EQ(burst(1), (Steps{1, 2, 3, 4, 5}));
  EXPECT_EQ(burst(1.0000001), burst(1));  // what rounding of a byte's scale may give
}

}  // namespace
}  // namespace spikeserve::math
