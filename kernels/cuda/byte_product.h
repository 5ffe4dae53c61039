#pragma once

#include <cstdint>
#include <vector>

#include "kernels/math/annotations.h"

// Products of counts of any size on tensor cores that are exact: weights are signed digits of 8 bits, counts
// are signed digits of 7 bits, and while sums of digits fit an int32 nothing is rounded.
namespace spikeserve::cuda {

// weight = sum of digit d * 2^(kWeightDigitBits * d), each in [-128, 127].
constexpr int kWeightDigitBits = 8;
constexpr int kMostWeightDigits = 3;  // of 22 bits
// count = sum of digit p * 2^(kCountDigitBits * p), each in [-127, 127] and of the sign of the count.
constexpr int kCountDigitBits = 7;
constexpr std::int64_t kMostCountDigit = (1 << kCountDigitBits) - 1;
constexpr int kMostPlanes = 9;  // digits of any count: 63 bits

// Depths and widths are padded to this many elements: 16 bytes.
constexpr std::int64_t kByteUnit = 16;
constexpr std::int64_t PadBytes(std::int64_t n) { return (n + kByteUnit - 1) / kByteUnit * kByteUnit; }

// How many digits weights of at most this magnitude have.
constexpr int WeightDigits(std::int32_t largest) { return largest <= 127 ? 1 : (largest <= 32639 ? 2 : 3); }
// Digit d of a weight.
constexpr std::int8_t WeightDigit(std::int32_t weight, int d) {
  constexpr std::int32_t kBase = 1 << kWeightDigitBits;
  std::int32_t low = 0;
  for (int i = 0; i <= d; ++i) {
    low = ((weight + kBase / 2) & (kBase - 1)) - kBase / 2;
    weight = (weight - low) >> kWeightDigitBits;
  }
  return static_cast<std::int8_t>(low);
}

// Digit p of a count.
SPIKESERVE_HOST_DEVICE std::int8_t CountDigit(std::int64_t count, int p) {
  const std::int64_t magnitude = count < 0 ? -count : count;
  const auto digit = static_cast<std::int8_t>((magnitude >> (kCountDigitBits * p)) & kMostCountDigit);
  return count < 0 ? static_cast<std::int8_t>(-digit) : digit;
}
// How many digits a count has, at least 1.
SPIKESERVE_HOST_DEVICE int PlanesOf(std::int64_t count) {
  const std::int64_t magnitude = count < 0 ? -count : count;
  int planes = 1;
  while (planes < kMostPlanes && magnitude >> (kCountDigitBits * planes) != 0) {
    ++planes;
  }
  return planes;
}

// The digits of all weights, packed for ByteProduct.
struct PackedBytes {
  int digits = 1;
  std::int64_t depth = 0, width = 0;  // padded
  std::vector<std::int8_t> bytes;     // [digit][width][depth], zeros where padded
};
constexpr std::int64_t ByteCount(int digits, std::int64_t depth, std::int64_t width) {
  return digits * PadBytes(depth) * PadBytes(width);
}
// `weights` is [depth][width].
PackedBytes PackBytes(const std::int32_t* weights, std::int64_t depth, std::int64_t width);
// Whether no sum of count digits times weight digits passes an int32.
bool ByteSumsFit(const std::int32_t* weights, std::int64_t depth, std::int64_t width);
// The largest of `count` weights in magnitude.
std::int32_t LargestOf(const std::int32_t* weights, std::int64_t count);

// sums[row][0..columns) = cells[row][0..depth) times digits, exactly. Through cuBLAS on the device.
struct ByteProduct {
  std::int64_t rows = 0;
  std::int64_t depth = 0;               // padded
  std::int64_t columns = 0;             // digits times padded width
  const std::int8_t* cells = nullptr;   // [rows][stride], zero behind the real depth
  std::int64_t stride = 0;              // a multiple of kByteUnit
  const std::int8_t* digits = nullptr;  // [columns][depth]
  std::int32_t* sums = nullptr;         // [rows][columns]
};

}  // namespace spikeserve::cuda
