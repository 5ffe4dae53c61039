#include "kernels/math/elementary.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace spikeserve::math {
namespace {

constexpr double kBound = 2e-7;  // relative; what docs and the header promise is looser

TEST(Elementary, Expm1StaysWithinItsBound) {
  double worst = 0;
  for (float x = -20.0F; x < 0.0F; x += 1e-4F) {
    const double exact = std::expm1(static_cast<double>(x));
    worst = std::max(worst, std::abs((static_cast<double>(Expm1(x)) - exact) / exact));
  }
  for (float x = -1e-20F; x > -1.0F; x *= 1.01F) {
    const double exact = std::expm1(static_cast<double>(x));
    worst = std::max(worst, std::abs((static_cast<double>(Expm1(x)) - exact) / exact));
  }
  EXPECT_LT(worst, kBound);
  EXPECT_EQ(Expm1(0.0F), 0.0F);
}

TEST(Elementary, ExpStaysWithinItsBound) {
  double worst = 0;
  for (float x = -86.9F; x <= 0.0F; x += 1e-3F) {
    const double exact = std::exp(static_cast<double>(x));
    worst = std::max(worst, std::abs((static_cast<double>(Exp(x)) - exact) / exact));
  }
  EXPECT_LT(worst, kBound);
  EXPECT_EQ(Exp(0.0F), 1.0F);
  EXPECT_EQ(Exp(-90.0F), 0.0F);
}

TEST(Elementary, WhatIsNotANumberStaysSo) {
  EXPECT_TRUE(std::isnan(Exp(std::nanf(""))));
  EXPECT_TRUE(std::isnan(Expm1(std::nanf(""))));
}

TEST(Elementary, Log1pOfLargeNumbersStaysWithinItsBound) {
  double worst = 0;
  for (float x = 1.0F; x < 1e12F; x *= 1.0007F) {
    const double exact = std::log1p(static_cast<double>(x));
    worst = std::max(worst, std::abs((static_cast<double>(Log1p(x)) - exact) / exact));
  }
  EXPECT_LT(worst, kBound);
}

TEST(Elementary, Log1pStaysWithinItsBound) {
  double worst = 0;
  for (float x = -0.9999F; x <= 1.0F; x += 1e-5F) {
    const double exact = std::log1p(static_cast<double>(x));
    worst = std::max(worst, exact == 0 ? 0 : std::abs((static_cast<double>(Log1p(x)) - exact) / exact));
  }
  EXPECT_LT(worst, kBound);
}

}  // namespace
}  // namespace spikeserve::math
