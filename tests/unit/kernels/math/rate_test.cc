#include "kernels/math/rate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

// The rate functions in float32 against their formulas in float64.
namespace spikeserve::math::rate {
namespace {

constexpr double kBound = 1e-6;  // relative

template <typename Function, typename Formula>
double WorstError(Function function, Formula formula, float from, float to) {
  double worst = 0;
  for (float x = from; x <= to; x += 1e-3F) {
    const double exact = formula(static_cast<double>(x));
    const double error = std::abs(static_cast<double>(function(x)) - exact);
    worst = std::max(worst, exact == 0 ? error : error / std::abs(exact));
  }
  return worst;
}

TEST(Rates, SigmoidAndTanh) {
  EXPECT_LT(WorstError(
                Sigmoid{400}, [](double x) { return 400 / (1 + std::exp(-x)); }, -80, 80),
            kBound);
  EXPECT_LT(WorstError(
                Tanh{400}, [](double x) { return 400 * std::tanh(x); }, -20, 20),
            kBound);
  EXPECT_EQ(Sigmoid{400}(-1000.0F), 0.0F);
  EXPECT_EQ(Sigmoid{400}(1000.0F), 400.0F);
  EXPECT_EQ(Tanh{400}(-1000.0F), -400.0F);
}

TEST(Rates, Lif) {
  const auto formula = [](double x) { return x > 1 ? 0.5 / (0.002 + 0.02 * std::log1p(1 / (x - 1))) : 0; };
  EXPECT_LT(WorstError(Lif{0.5F, 0.02F, 0.002F}, formula, -5, 60), kBound);
}

TEST(Rates, SoftLif) {
  for (const double sigma : {0.05, 0.3, 1.0, 2.0}) {
    const auto formula = [sigma](double current) {
      const double x = (current - 1) / sigma;
      const double softplus = std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
      const double q = x <= -20 ? -x - std::log(sigma) : std::log1p(1 / (sigma * softplus));
      return 1 / (0.002 + 0.02 * q);
    };
    const SoftLif soft{1,
                       0.02F,
                       0.002F,
                       static_cast<float>(sigma),
                       static_cast<float>(1 / sigma),
                       static_cast<float>(std::log(sigma))};
    EXPECT_LT(WorstError(soft, formula, -30, 30), 4 * kBound) << sigma;
  }
}

TEST(Rates, RectifiedLinearOnes) {
  EXPECT_EQ(RectifiedLinear{2}(3.0F), 6.0F);
  EXPECT_EQ(RectifiedLinear{2}(-3.0F), 0.0F);
  EXPECT_EQ((LeakyRectifiedLinear{2, 0.5F}(3.0F)), 6.0F);
  EXPECT_EQ((LeakyRectifiedLinear{2, 0.5F}(-3.0F)), -1.5F);
}

TEST(Rates, AdaptationSettlesWhereTheRateMeetsIt) {
  const AdaptiveLif neuron{Lif{1, 0.02F, 0.002F}, 0.01F, 0.05F};
  NeuronState state;
  float before = 1e9F;
  float output = 0;
  for (int step = 0; step < 5000; ++step) {
    output = neuron(10.0F, state);
    ASSERT_LE(output, before * 1.00001F) << step;  // decays steadily
    before = output;
  }
  EXPECT_NEAR(output, (Lif{1, 0.02F, 0.002F}(10.0F - 0.05F * output)), 1e-2);
}

TEST(Rates, WhatIsNotANumberStaysSo) {
  const float nan = std::nanf("");
  EXPECT_TRUE(std::isnan(Sigmoid{1}(nan)));
  EXPECT_TRUE(std::isnan(Tanh{1}(nan)));
  EXPECT_TRUE(std::isnan((Lif{1, 0.02F, 0.002F}(nan))));
  EXPECT_TRUE(std::isnan((LeakyRectifiedLinear{1, 1}(nan))));
  EXPECT_TRUE(std::isnan((SoftLif{1, 0.02F, 0.002F, 1, 1, 0}(nan))));
}

}  // namespace
}  // namespace spikeserve::math::rate
