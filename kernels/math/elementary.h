#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/math/annotations.h"

// exp, expm1 and log1p in float32 by fixed polynomials, so that the host and the device give the same bits.
// Relative error below 4e-7 on the ranges that neurons use (tested against double precision).
namespace spikeserve::math {

// 2^n for n in [-126, 127].
SPIKESERVE_HOST_DEVICE float PowerOfTwo(std::int32_t n) {
  union {
    std::uint32_t bits;
    float value;
  } pun = {static_cast<std::uint32_t>(n + 127) << 23};
  return pun.value;
}

// e^x = 2^n * (1 + small), for x in [-87, 0]: x = n ln2 + r, |r| <= ln2/2, and the Taylor series of e^r - 1.
struct ReducedExponential {
  float power;
  float small;
};

SPIKESERVE_HOST_DEVICE ReducedExponential ReduceExponential(float x) {
  constexpr float kLog2E = 1.44269504088896341F;
  constexpr float kLn2High = 0.693145751953125F;  // 1/ln2 split so that n * high is exact
  constexpr float kLn2Low = 1.42860682030941723e-6F;
  const float n = floorf(fmaf(x, kLog2E, 0.5F));
  const float r = fmaf(n, -kLn2Low, fmaf(n, -kLn2High, x));
  float series = 1.0F / 5040.0F;
  series = fmaf(series, r, 1.0F / 720.0F);
  series = fmaf(series, r, 1.0F / 120.0F);
  series = fmaf(series, r, 1.0F / 24.0F);
  series = fmaf(series, r, 1.0F / 6.0F);
  series = fmaf(series, r, 0.5F);
  const float small = fmaf(series * r, r, r);  // e^r - 1
  return {PowerOfTwo(static_cast<std::int32_t>(n)), small};
}

// e^x - 1 for x <= 0; what is not a number stays so.
SPIKESERVE_HOST_DEVICE float Expm1(float x) {
  if (!(x >= -17.5F)) {
    return x < -17.5F ? -1.0F : x;  // e^x is below half an ulp of 1
  }
  const ReducedExponential e = ReduceExponential(x);
  return fmaf(e.power, e.small, e.power - 1.0F);
}

// e^x for x <= 0; 0 below -87, where float32 runs out of normal numbers.
SPIKESERVE_HOST_DEVICE float Exp(float x) {
  if (!(x >= -87.0F)) {
    return x < -87.0F ? 0.0F : x;
  }
  const ReducedExponential e = ReduceExponential(x);
  return fmaf(e.power, e.small, e.power);
}

// log(1 + x) for x > -1. With u = 1 + x = 2^n m, m in [sqrt(1/2), sqrt(2)), and s = f/(2 + f),
// f = m - 1: log m = 2 atanh s. What rounding took from u returns as the first-order term.
SPIKESERVE_HOST_DEVICE float Log1p(float x) {
  constexpr float kLn2 = 0.693147180559945309F;
  const float u = 1.0F + x;
  union {
    float value;
    std::uint32_t bits;
  } pun = {u};
  constexpr std::uint32_t kSqrtHalfBits = 0x3f3504f3U;
  const std::int32_t n = static_cast<std::int32_t>(pun.bits - kSqrtHalfBits) >> 23;
  if (n == 0) {
    const float s = x / (2.0F + x);  // no rounding of 1 + x at all
    const float s2 = s * s;
    float near = 2.0F / 11.0F;
    near = fmaf(near, s2, 2.0F / 9.0F);
    near = fmaf(near, s2, 2.0F / 7.0F);
    near = fmaf(near, s2, 2.0F / 5.0F);
    near = fmaf(near, s2, 2.0F / 3.0F);
    return fmaf(near * s2, s, 2.0F * s);
  }
  pun.bits -= static_cast<std::uint32_t>(n) << 23;
  const float f = pun.value - 1.0F;
  const float s = f / (2.0F + f);
  const float s2 = s * s;
  float series = 2.0F / 11.0F;
  series = fmaf(series, s2, 2.0F / 9.0F);
  series = fmaf(series, s2, 2.0F / 7.0F);
  series = fmaf(series, s2, 2.0F / 5.0F);
  series = fmaf(series, s2, 2.0F / 3.0F);
  const float log_m = fmaf(series * s2, s, 2.0F * s);
  const float lost = (x - (u - 1.0F)) / u;
  return fmaf(static_cast<float>(n), kLn2, log_m + lost);
}

}  // namespace spikeserve::math
