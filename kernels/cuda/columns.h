#pragma once

#include <cstdint>

#include "kernels/cuda/cells.h"
#include "kernels/cuda/direct_product.h"
#include "kernels/cuda/unroll.h"
#include "kernels/math/annotations.h"

// Convolutions as matrix products: the cells that meet in one output pixel, side by side.
namespace spikeserve::cuda {

// [rows][pixels][padded taps * channels], of counts as float16 or of digits of counts as bytes.
template <typename Cell>
struct Columns {
  std::int64_t rows = 0;
  const Cell* cells = nullptr;  // [rows][stride]
  std::int64_t stride = 0;
  ConvMap conv;             // one group
  std::int64_t depth = 0;   // padded
  Cell* columns = nullptr;  // aligned to 16 bytes
};
using Im2col = Columns<Half>;
using ByteColumns = Columns<std::int8_t>;

constexpr std::int64_t Pixels(const ConvMap& g) { return std::int64_t{g.out_height} * g.out_width; }
constexpr std::int64_t Depth(const ConvMap& g) {
  return std::int64_t{g.kernel_height} * g.kernel_width * g.in_channels;
}

// What one thread writes at a time.
template <typename Cell>
struct alignas(16) ColumnUnit {
  static constexpr std::int64_t kCells = 16 / sizeof(Cell);
  Cell cells[kCells];
};

// One thread per unit: what it divides for, it counts up from there.
template <typename Cell>
constexpr std::int64_t Threads(const Columns<Cell>& columns) {
  return columns.rows * Pixels(columns.conv) * (columns.depth / ColumnUnit<Cell>::kCells);
}

template <typename Cell>
SPIKESERVE_HOST_DEVICE void RunThread(const Columns<Cell>& columns, std::int64_t thread) {
  constexpr std::int64_t kCells = ColumnUnit<Cell>::kCells;
  const ConvMap& g = columns.conv;
  const std::int64_t units = columns.depth / kCells;
  const std::int64_t line = thread / units;
  const std::int64_t row = line / (std::int64_t{g.out_height} * g.out_width);
  const auto pixel = static_cast<std::int32_t>(line - row * g.out_height * g.out_width);
  const auto k = static_cast<std::int32_t>((thread - line * units) * kCells);
  const std::int32_t tap = k / g.in_channels;
  std::int32_t channel = k - tap * g.in_channels;
  std::int32_t ky = tap / g.kernel_width;
  std::int32_t kx = tap - ky * g.kernel_width;
  const std::int32_t top = pixel / g.out_width * g.stride_y - g.pad_top;
  const std::int32_t left = pixel % g.out_width * g.stride_x - g.pad_left;
  const Cell* const cells = columns.cells + row * columns.stride;
  ColumnUnit<Cell> unit;
  SPIKESERVE_UNROLL
  for (std::int64_t i = 0; i < kCells; ++i) {
    const std::int32_t y = top + ky * g.dilation_y;
    const std::int32_t x = left + kx * g.dilation_x;
    const bool inside = ky < g.kernel_height && y >= 0 && y < g.in_height && x >= 0 && x < g.in_width;
    const std::int64_t cell = (std::int64_t{y} * g.in_width + x) * g.in_channels + channel;
    unit.cells[i] = inside ? cells[cell] : Cell{0};
    if (++channel == g.in_channels) {
      channel = 0;
      ++kx;
    }
    if (kx == g.kernel_width) {
      kx = 0;
      ++ky;
    }
  }
  reinterpret_cast<ColumnUnit<Cell>*>(columns.columns)[thread] = unit;
}

}  // namespace spikeserve::cuda
