// The functions of a mean against those of the library.

#include "kernels/math/memory_function.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "kernels/math/memory_row.h"

namespace spikeserve::math {
namespace {

constexpr double kAccuracy = 1e-12;

double Relative(double got, double wanted) {
  return got == wanted ? 0 : std::abs(got - wanted) / std::max(std::abs(wanted), 1e-300);
}

TEST(Elementary64, AgreesWithTheLibrary) {
  for (int i = -60000; i <= 60000; ++i) {
    const double x = i / 100.0 + 1e-3;
    EXPECT_LT(Relative(Exp64(x), std::exp(x)), kAccuracy) << x;
  }
  for (int i = 0; i <= 10000; ++i) {
    const double x = i / 10000.0;
    EXPECT_LT(Relative(Log1pOfUnit64(x), std::log1p(x)), kAccuracy) << x;
    EXPECT_LT(Relative(Log1pOfUnit64(x * 1e-9), std::log1p(x * 1e-9)), kAccuracy) << x;
    EXPECT_LT(Relative(Erfc64(6.5 * x), std::erfc(6.5 * x)), kAccuracy) << x;
  }
  EXPECT_EQ(Exp64(-701), 0);
  EXPECT_EQ(Exp64(701), HUGE_VAL);
  EXPECT_TRUE(std::isnan(Exp64(std::nan(""))));
  EXPECT_EQ(Erfc64(7), 0);
}

double LogOnePlusExp(double x) { return x > 30 ? x + std::exp(-x) : std::log1p(std::exp(x)); }

TEST(OfMean, IsWhatTheLibraryGives) {
  using Function = std::function<double(double)>;
  const double pi = std::acos(-1.0);
  const std::vector<std::pair<MeanFunction, Function>> table = {
      {MeanFunction::kSigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }},
      {MeanFunction::kTanh, [](double x) { return std::tanh(x); }},
      {MeanFunction::kSwish, [](double x) { return x / (1 + std::exp(-x)); }},
      {MeanFunction::kGelu, [](double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }},
      {MeanFunction::kGeluTanh,
       [pi](double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / pi) * (x + 0.044715 * x * x * x))); }},
      {MeanFunction::kElu, [](double x) { return x < 0 ? 0.3 * std::expm1(x) : x; }},
      {MeanFunction::kSelu,
       [](double x) { return 1.0507009873554805 * (x < 0 ? 1.6732632423543773 * std::expm1(x) : x); }},
      {MeanFunction::kSoftplus, LogOnePlusExp},
      {MeanFunction::kMish, [](double x) { return x * std::tanh(LogOnePlusExp(x)); }},
      {MeanFunction::kHardSigmoid, [](double x) { return std::min(std::max(x + 3, 0.0), 6.0) / 6; }},
      {MeanFunction::kHardSwish, [](double x) { return x * std::min(std::max(x + 3, 0.0), 6.0) / 6; }},
      {MeanFunction::kExponential, [](double x) { return std::exp(x); }},
      {MeanFunction::kSoftsign, [](double x) { return x / (1 + std::abs(x)); }}};
  EXPECT_EQ(table.size(), static_cast<std::size_t>(MeanFunction::kSoftsign));
  for (const auto& [function, wanted] : table) {
    for (int i = -5000; i <= 5000; ++i) {
      const double x = i / 100.0;
      const double got = OfMean(function, x, 0.3);
      EXPECT_NEAR(got, wanted(x), 1e-13 * std::max(1.0, std::abs(wanted(x))) + 1e-13)
          << static_cast<int>(function) << " of " << x;
      EXPECT_TRUE(got >= 0 || MayBeNegative(function)) << static_cast<int>(function) << " of " << x;
    }
  }
}

TEST(SentOfMean, IsWithinHalfASpikeOfTheFunction) {
  for (std::int64_t steps : {1, 7, 1000, 100000}) {
    for (std::int64_t z = -3000000; z <= 3000000; z += 14159) {
      const double x = static_cast<double>(z) / 1e6;  // at 1000 units for a step at dt 0.001
      const std::int64_t sent = SentOfMean(MeanFunction::kTanh, 0, z * steps / 1, steps, 1e6, 40, 0.5);
      EXPECT_NEAR(static_cast<double>(sent), std::tanh(x) * 40 * static_cast<double>(steps), 0.5 + 1e-6);
    }
  }
}

TEST(SentOfMean, WhatIsOutOfRangeIsToldApart) {
  EXPECT_GT(SentOfMean(MeanFunction::kExponential, 0, 1000000, 1, 1e3, 1, 0.5), kMostSent);
  EXPECT_GT(WholeSpikes(std::numeric_limits<double>::quiet_NaN()), kMostSent);
  EXPECT_GT(WholeSpikes(-HUGE_VAL), kMostSent);
  EXPECT_EQ(WholeSpikes(-1.5), -2);
}

std::vector<double> Row(std::uint64_t seed, std::int64_t count, double scale) {
  std::vector<double> x;
  for (std::int64_t i = 0; i < count; ++i) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    x.push_back(scale * (static_cast<double>(seed >> 40) / (1 << 24) - 0.5));
  }
  return x;
}

std::vector<std::int64_t> Whole(const std::vector<double>& x, double unit) {
  std::vector<std::int64_t> z;
  for (const double value : x) {
    z.push_back(std::llrint(value * unit));
  }
  return z;
}

TEST(NormaliseRow, IsLayerNormalization) {
  for (const std::int64_t count : {1, 2, 7, 768, 16384}) {
    for (const double scale : {1e-6, 1.0, 300.0}) {
      for (const double unit : {1e6, 1e15}) {
        const std::vector<double> x = Row(3, count, scale);
        std::vector<double> y(x.size());
        NormaliseRow(Whole(x, unit).data(), count, unit, 1e-3, y.data());
        double mean = 0, variance = 0;
        for (const double value : x) {
          mean += value / static_cast<double>(count);
        }
        for (const double value : x) {
          variance += (value - mean) * (value - mean) / static_cast<double>(count);
        }
        for (std::size_t i = 0; i < x.size(); ++i) {
          EXPECT_NEAR(y[i], (x[i] - mean) / std::sqrt(variance + 1e-3), 3e-5) << count << " " << scale;
        }
      }
    }
  }
}

TEST(SoftmaxRow, IsSoftmax) {
  for (const std::int64_t count : {1, 2, 49, 16384}) {
    const std::vector<double> x = Row(5, count, 20);
    std::vector<double> y(x.size());
    SoftmaxRow(Whole(x, 1e12).data(), count, 1e12, y.data());
    double sum = 0;
    for (const double value : x) {
      sum += std::exp(value);
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(y[i], std::exp(x[i]) / sum, 1e-9) << count;
    }
  }
}

}  // namespace
}  // namespace spikeserve::math
