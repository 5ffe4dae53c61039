#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cuda/cells.h"
#include "kernels/cuda/direct_product.h"
#include "kernels/cuda/unroll.h"
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

// Weights for DigitProduct: [padded depth][2 * padded width], high digits first, zeros where padded.
std::vector<Half> PackDigits(const std::int32_t* weights, std::int64_t depth, std::int64_t width);
constexpr std::int64_t DigitCount(std::int64_t depth, std::int64_t width) {
  return PadHalves(depth) * 2 * PadHalves(width);
}

// sums[row][0..2 width) = cells[row][0..depth) times digits, in float32. Through cuBLAS on the device.
struct DigitProduct {
  std::int64_t rows = 0;
  std::int64_t depth = 0;       // padded
  std::int64_t width = 0;       // padded
  const Half* cells = nullptr;  // [rows][stride], zero behind the real depth
  std::int64_t stride = 0;
  const Half* digits = nullptr;  // [depth][2 * width]
  float* sums = nullptr;         // [rows][2 * width]
};

// Lays the cells that meet in one output pixel of a convolution side by side: [rows][pixels][padded taps *
// channels].
struct Im2col {
  std::int64_t rows = 0;
  const Half* cells = nullptr;  // [rows][stride]
  std::int64_t stride = 0;
  ConvMap conv;             // one group
  std::int64_t depth = 0;   // padded
  Half* columns = nullptr;  // aligned to 16 bytes
};

constexpr std::int64_t Pixels(const ConvMap& g) { return std::int64_t{g.out_height} * g.out_width; }
constexpr std::int64_t Depth(const ConvMap& g) {
  return std::int64_t{g.kernel_height} * g.kernel_width * g.in_channels;
}

// What one thread writes at a time.
struct alignas(16) HalfUnit {
  Half halves[kHalfUnit];
};

// One thread per unit: what it divides for, it counts up from there.
constexpr std::int64_t Threads(const Im2col& im2col) {
  return im2col.rows * Pixels(im2col.conv) * (im2col.depth / kHalfUnit);
}

SPIKESERVE_HOST_DEVICE void RunThread(const Im2col& im2col, std::int64_t thread) {
  const ConvMap& g = im2col.conv;
  const std::int64_t units = im2col.depth / kHalfUnit;
  const std::int64_t line = thread / units;
  const std::int64_t row = line / (std::int64_t{g.out_height} * g.out_width);
  const auto pixel = static_cast<std::int32_t>(line - row * g.out_height * g.out_width);
  const auto k = static_cast<std::int32_t>((thread - line * units) * kHalfUnit);
  const std::int32_t tap = k / g.in_channels;
  std::int32_t channel = k - tap * g.in_channels;
  std::int32_t ky = tap / g.kernel_width;
  std::int32_t kx = tap - ky * g.kernel_width;
  const std::int32_t top = pixel / g.out_width * g.stride_y - g.pad_top;
  const std::int32_t left = pixel % g.out_width * g.stride_x - g.pad_left;
  const Half* const cells = im2col.cells + row * im2col.stride;
  HalfUnit unit;
  SPIKESERVE_UNROLL
  for (std::int64_t i = 0; i < kHalfUnit; ++i) {
    const std::int32_t y = top + ky * g.dilation_y;
    const std::int32_t x = left + kx * g.dilation_x;
    const bool inside = ky < g.kernel_height && y >= 0 && y < g.in_height && x >= 0 && x < g.in_width;
    const std::int64_t cell = (std::int64_t{y} * g.in_width + x) * g.in_channels + channel;
    unit.halves[i] = inside ? cells[cell] : Half{0};
    if (++channel == g.in_channels) {
      channel = 0;
      ++kx;
    }
    if (kx == g.kernel_width) {
      kx = 0;
      ++ky;
    }
  }
  reinterpret_cast<HalfUnit*>(im2col.columns)[thread] = unit;
}

}  // namespace spikeserve::cuda
