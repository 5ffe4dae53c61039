#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/math/annotations.h"
#include "kernels/math/elementary64.h"

// Functions of a whole row of neurons with memory. What the neurons have received counts in one unit of all;
// only integers are summed, so that no order of them can show.
namespace spikeserve::math {

// Elements of a row at most: sums of 2^14 squares of 24 bits, and of as many exponentials of 40, fit.
constexpr std::int64_t kMostOfRow = std::int64_t{1} << 14;

SPIKESERVE_HOST_DEVICE int BitsOf(std::int64_t magnitude) {
  int bits = 0;
  while (magnitude >> bits != 0) {
    ++bits;
  }
  return bits;
}

SPIKESERVE_HOST_DEVICE std::int64_t Magnitude(std::int64_t value) { return value < 0 ? -value : value; }

// y = (x - mean x) / sqrt(variance of x + epsilon) of x = z / unit, |z| < 2^62, 1..kMostOfRow of them.
SPIKESERVE_HOST_DEVICE void NormaliseRow(const std::int64_t* z, std::int64_t count, double unit,
                                         double epsilon, double* y) {
  std::int64_t most = 0, sum = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    most = most > Magnitude(z[i]) ? most : Magnitude(z[i]);
  }
  constexpr int kKept = 46;  // so that `count` times one fits
  const int dropped = BitsOf(most) > kKept ? BitsOf(most) - kKept : 0;
  for (std::int64_t i = 0; i < count; ++i) {
    sum += z[i] >> dropped;
  }
  most = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t off = Magnitude(count * (z[i] >> dropped) - sum);
    most = most > off ? most : off;
  }
  constexpr int kSquared = 24;
  const int rest = BitsOf(most) > kSquared ? BitsOf(most) - kSquared : 0;
  std::int64_t squares = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t off = (count * (z[i] >> dropped) - sum) >> rest;
    squares += off * off;
    y[i] = static_cast<double>(off);
  }
  const auto n = static_cast<double>(count);
  const double step = ldexp(1.0, dropped + rest) / (unit * n);
  const double spread = sqrt(static_cast<double>(squares) / n * step * step + epsilon);
  for (std::int64_t i = 0; i < count; ++i) {
    y[i] = y[i] * step / spread;
  }
}

// y = e^x / sum of e^x of x = z / unit, |z| < 2^62, 1..kMostOfRow of them.
SPIKESERVE_HOST_DEVICE void SoftmaxRow(const std::int64_t* z, std::int64_t count, double unit, double* y) {
  std::int64_t most = z[0], sum = 0;
  for (std::int64_t i = 1; i < count; ++i) {
    most = most > z[i] ? most : z[i];
  }
  constexpr double kOne = 1099511627776.0;  // 2^40
  for (std::int64_t i = 0; i < count; ++i) {
    const double x = static_cast<double>(z[i] - most) / unit;
    const double whole = floor(Exp64(x) * kOne + 0.5);
    sum += static_cast<std::int64_t>(whole);
    y[i] = whole;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    y[i] = y[i] / static_cast<double>(sum);
  }
}

}  // namespace spikeserve::math
