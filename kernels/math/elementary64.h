#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/math/annotations.h"

// exp, log1p and erfc in float64 by fixed polynomials and nothing but +, -, * and /, so that the host and the
// device give the same bits. Relative error below 1e-13 on the ranges named (tested against the library).
namespace spikeserve::math {

// 2^n for n in [-1022, 1023].
SPIKESERVE_HOST_DEVICE double PowerOfTwo64(std::int32_t n) {
  union {
    std::uint64_t bits;
    double value;
  } pun = {static_cast<std::uint64_t>(n + 1023) << 52};
  return pun.value;
}

// e^x: 0 below -700, infinity above 700; what is not a number stays so. x = n ln2 + r, |r| <= ln2/2, and the
// Taylor series of e^r.
SPIKESERVE_HOST_DEVICE double Exp64(double x) {
  if (!(x >= -700.0)) {
    return x < -700.0 ? 0.0 : x;
  }
  if (x > 700.0) {
    return HUGE_VAL;
  }
  constexpr double kLog2E = 1.4426950408889634074;
  constexpr double kLn2High = 0.693147180369123816490;  // ln2 split so that n * high is exact
  constexpr double kLn2Low = 1.90821492927058770002e-10;
  const double n = floor(x * kLog2E + 0.5);
  const double r = (x - n * kLn2High) - n * kLn2Low;
  double series = 1.0 / 6227020800.0;
  series = series * r + 1.0 / 479001600.0;
  series = series * r + 1.0 / 39916800.0;
  series = series * r + 1.0 / 3628800.0;
  series = series * r + 1.0 / 362880.0;
  series = series * r + 1.0 / 40320.0;
  series = series * r + 1.0 / 5040.0;
  series = series * r + 1.0 / 720.0;
  series = series * r + 1.0 / 120.0;
  series = series * r + 1.0 / 24.0;
  series = series * r + 1.0 / 6.0;
  series = series * r + 0.5;
  series = series * r + 1.0;
  series = series * r + 1.0;
  return series * PowerOfTwo64(static_cast<std::int32_t>(n));
}

// log(1 + x) for x in [0, 1]: 2 atanh(s), s = x/(2 + x) <= 1/3.
SPIKESERVE_HOST_DEVICE double Log1pOfUnit64(double x) {
  const double s = x / (2.0 + x);
  const double s2 = s * s;
  double series = 0.0;
  for (int k = 29; k >= 1; k -= 2) {
    series = series * s2 + 1.0 / k;
  }
  return 2.0 * s * series;
}

// The complementary error function for x in [0, 6.5], 0 above. u = 2/(2 + x); erfc x = u e^(-x^2 + p(u)): the
// polynomial interpolates log(erfc(x) e^(x^2) / u) at Chebyshev's nodes of that range.
SPIKESERVE_HOST_DEVICE double Erfc64(double x) {
  if (x > 6.5) {
    return 0.0;
  }
  const double u = 2.0 / (2.0 + x);
  const double w = (u - 0.61764705882352944) / 0.38235294117647056;
  double p = 3.2799890844334276054e-10;
  p = p * w + 4.505760214016343928e-9;
  p = p * w - 1.3388621126337336105e-8;
  p = p * w - 2.8100168052018831907e-8;
  p = p * w + 1.5094312707158261538e-7;
  p = p * w - 6.1201768979421158602e-8;
  p = p * w - 8.8541384168767336342e-7;
  p = p * w + 2.0074573614876934338e-6;
  p = p * w + 2.1857353667092168741e-6;
  p = p * w - 1.7028167113143465606e-5;
  p = p * w + 1.3972920014564721062e-5;
  p = p * w + 9.3024992289009915651e-5;
  p = p * w - 2.3781222998937770508e-4;
  p = p * w - 3.3998237084538046416e-4;
  p = p * w + 2.2766552220953564754e-3;
  p = p * w + 3.1642867709410255958e-4;
  p = p * w - 2.2847437528693207518e-2;
  p = p * w + 7.1086230622164135411e-3;
  p = p * w + 0.52516878671093756169;
  p = p * w - 0.51153859215321927033;
  return u * Exp64(-x * x + p);
}

}  // namespace spikeserve::math
