#pragma once

#include <cstdint>
#include <vector>

#include "kernels/math/product.h"

// Which weights meet which cells, for loops over dense and convolutional products.
namespace spikeserve::kernels {

// The output positions that input position `in` reaches along one axis, and through which tap.
struct Reach {
  std::int64_t tap;
  std::int64_t out;
};

inline std::int64_t Reaches(std::int64_t in, std::int64_t pad, std::int64_t kernel, std::int64_t stride,
                            std::int64_t dilation, std::int64_t out_size, Reach* reaches) {
  std::int64_t count = 0;
  for (std::int64_t tap = 0; tap < kernel; ++tap) {
    const std::int64_t position = in + pad - tap * dilation;
    if (position >= 0 && position % stride == 0 && position / stride < out_size) {
      reaches[count++] = {tap, position / stride};
    }
  }
  return count;
}

// Calls visit(weight offset, first row, rows) for every block of weights behind a nonzero cell, in
// ascending order of cells.
template <typename Cell, typename Visit>
inline __attribute__((always_inline)) void ForEachBlock(const Product& product, const Cell* cells,
                                                        Visit visit) {
  if (product.kind == ProductKind::kDense) {
    for (std::int64_t k = 0; k < product.in; ++k) {
      if (cells[k] != Cell{0}) {
        visit(k * product.out, std::int64_t{0}, product.out, cells[k]);
      }
    }
    return;
  }
  const ConvGeometry& g = product.conv;
  const std::int64_t in_group = g.in_channels / g.groups;
  const std::int64_t out_group = g.out_channels / g.groups;
  std::vector<Reach> rows(static_cast<std::size_t>(g.kernel_height));
  std::vector<Reach> columns(static_cast<std::size_t>(g.kernel_width));
  for (std::int64_t y = 0; y < g.in_height; ++y) {
    const std::int64_t row_count =
        Reaches(y, g.pad_top, g.kernel_height, g.stride_y, g.dilation_y, g.out_height, rows.data());
    for (std::int64_t x = 0; x < g.in_width; ++x) {
      const std::int64_t column_count =
          Reaches(x, g.pad_left, g.kernel_width, g.stride_x, g.dilation_x, g.out_width, columns.data());
      const Cell* pixel = cells + (y * g.in_width + x) * g.in_channels;
      for (std::int64_t channel = 0; channel < g.in_channels; ++channel) {
        if (pixel[channel] == Cell{0}) {
          continue;
        }
        const std::int64_t group = channel / in_group;
        for (std::int64_t r = 0; r < row_count; ++r) {
          const Reach row = rows[static_cast<std::size_t>(r)];
          for (std::int64_t c = 0; c < column_count; ++c) {
            const Reach column = columns[static_cast<std::size_t>(c)];
            const std::int64_t tap = row.tap * g.kernel_width + column.tap;
            const std::int64_t weight =
                (tap * in_group + channel % in_group) * g.out_channels + group * out_group;
            const std::int64_t first =
                (row.out * g.out_width + column.out) * g.out_channels + group * out_group;
            visit(weight, first, out_group, pixel[channel]);
          }
        }
      }
    }
  }
}

}  // namespace spikeserve::kernels
