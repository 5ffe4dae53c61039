#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/cuda/cells.h"
#include "kernels/math/annotations.h"

// Products on tensor cores that are exact: a 22-bit weight is two 11-bit digits in float16, spike counts are
// small integers in float16, and while sums of digits stay below 2^24, every float32 value on the way is an
// integer.
namespace spikeserve::cuda {

// weight = high * 2^11 + low, low in [-2^10, 2^10), high in [-2^10, 2^10].
struct Digits {
  std::int32_t high;
  std::int32_t low;
};
constexpr std::int32_t kDigitBase = 2048;

constexpr Digits SplitDigits(std::int32_t weight) {
  const std::int32_t high = (weight + kDigitBase / 2) >> 11;
  return {high, weight - high * kDigitBase};
}

// RN_float32(high * 2^11 + low) of two exact integers: the sum of the weights' products, rounded once.
SPIKESERVE_HOST_DEVICE float CombineDigits(float high, float low) {
  return fmaf(high, static_cast<float>(kDigitBase), low);
}

// Float32 counts integers one by one below this.
constexpr std::int64_t kExactFloat = std::int64_t{1} << 24;

// Columns of `width` and depths are padded to this many elements: 16 bytes.
constexpr std::int64_t kHalfUnit = 8;
constexpr std::int64_t PadHalves(std::int64_t n) { return (n + kHalfUnit - 1) / kHalfUnit * kHalfUnit; }

// The largest sum over the depth of |digit|, of any output and either digit. `weights` is [depth][width].
std::int64_t LargestDigitSum(const std::int32_t* weights, std::int64_t depth, std::int64_t width);

// How many digits these weights need, 1 or 2: in int8 mode their high digits are all 0.
int DigitsOf(const std::int32_t* weights, std::int64_t count);
// Weights for DigitProduct: [padded depth][digits * padded width], high digits first, zeros where padded.
std::vector<Half> PackDigits(const std::int32_t* weights, std::int64_t depth, std::int64_t width, int digits);
constexpr std::int64_t DigitCount(std::int64_t depth, std::int64_t width, int digits) {
  return PadHalves(depth) * digits * PadHalves(width);
}

// sums[row][0..digits width) = cells[row][0..depth) times digits, in float32. Through cuBLAS on the device.
struct DigitProduct {
  std::int64_t rows = 0;
  std::int64_t depth = 0;       // padded
  std::int64_t width = 0;       // padded
  const Half* cells = nullptr;  // [rows][stride], zero behind the real depth
  std::int64_t stride = 0;
  const Half* digits = nullptr;  // [depth][columns]
  float* sums = nullptr;         // [rows][columns]
  int digit_count = 2;           // of a weight

  constexpr std::int64_t columns() const { return digit_count * width; }
};

}  // namespace spikeserve::cuda
