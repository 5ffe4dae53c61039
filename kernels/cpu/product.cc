#include "kernels/cpu/product.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/dispatch.h"

namespace spikeserve::kernels {
namespace {

// The output positions that input position `in` reaches along one axis, and through which tap.
struct Reach {
  std::int64_t tap;
  std::int64_t out;
};

std::int64_t Reaches(std::int64_t in, std::int64_t pad, std::int64_t kernel, std::int64_t stride,
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

template <typename Sum>
inline __attribute__((always_inline)) void AccumulateIntegers(const Product& product,
                                                              const std::int32_t* cells, Sum* sums) {
  const std::int32_t* weights = product.integers.data();
  if (product.kind == ProductKind::kSparse) {
    for (std::int64_t k = 0; k < product.in; ++k) {
      if (cells[k] == 0) {
        continue;
      }
      const auto end = product.sparse_start[static_cast<std::size_t>(k + 1)];
      for (auto e = product.sparse_start[static_cast<std::size_t>(k)]; e < end; ++e) {
        sums[product.sparse_row[static_cast<std::size_t>(e)]] += static_cast<Sum>(weights[e]) * cells[k];
      }
    }
    return;
  }
  ForEachBlock(
      product, cells,
      [&](std::int64_t weight, std::int64_t first, std::int64_t rows, std::int32_t count)
          __attribute__((always_inline)) {
            const std::int32_t* __restrict w = weights + weight;
            Sum* __restrict s = sums + first;
            for (std::int64_t j = 0; j < rows; ++j) {
              s[j] += static_cast<Sum>(w[j]) * count;
            }
          });
}

SPIKESERVE_CPU_CLONES void AccumulateNarrow(const Product& product, const std::int32_t* cells,
                                            std::int32_t* sums) {
  AccumulateIntegers(product, cells, sums);
}

SPIKESERVE_CPU_CLONES void AccumulateWide(const Product& product, const std::int32_t* cells,
                                          std::int64_t* sums) {
  AccumulateIntegers(product, cells, sums);
}

SPIKESERVE_CPU_CLONES void AccumulateFloats(const Product& product, const float* weights, const float* cells,
                                            float* sums) {
  if (product.kind == ProductKind::kSparse) {
    for (std::int64_t k = 0; k < product.in; ++k) {
      const auto end = product.sparse_start[static_cast<std::size_t>(k + 1)];
      for (auto e = product.sparse_start[static_cast<std::size_t>(k)]; e < end; ++e) {
        float& sum = sums[product.sparse_row[static_cast<std::size_t>(e)]];
        sum = std::fma(weights[e], cells[k], sum);
      }
    }
    return;
  }
  // A zero cell would add +0 or -0 to a sum that is never -0: leaving it out changes no bit.
  ForEachBlock(
      product, cells,
      [&](std::int64_t weight, std::int64_t first, std::int64_t rows, float value)
          __attribute__((always_inline)) {
            const float* __restrict w = weights + weight;
            float* __restrict s = sums + first;
            for (std::int64_t j = 0; j < rows; ++j) {
              s[j] = __builtin_fmaf(w[j], value, s[j]);
            }
          });
}

template <typename T>
void GatherInto(const GatherSum& gather, std::span<const T> source, std::span<T> cells) {
  if (gather.start.empty()) {
    std::copy(source.begin(), source.end(), cells.begin());
    return;
  }
  for (std::size_t c = 0; c < cells.size(); ++c) {
    T sum{0};
    for (auto e = gather.start[c]; e < gather.start[c + 1]; ++e) {
      sum += source[static_cast<std::size_t>(gather.index[static_cast<std::size_t>(e)])];
    }
    cells[c] = sum;
  }
}

template <typename T>
std::int64_t BytesOf(const std::vector<T>& values) {
  return static_cast<std::int64_t>(values.size() * sizeof(T));
}

}  // namespace

std::int64_t Product::bytes() const {
  return BytesOf(gather.start) + BytesOf(gather.index) + BytesOf(sparse_start) + BytesOf(sparse_row) +
         BytesOf(integers) + BytesOf(floats) + BytesOf(integer_unit) + BytesOf(row_scale);
}

void Gather(const GatherSum& gather, std::span<const std::int32_t> source, std::span<std::int32_t> cells) {
  GatherInto(gather, source, cells);
}

void Gather(const GatherSum& gather, std::span<const float> source, std::span<float> cells) {
  GatherInto(gather, source, cells);
}

void Accumulate(const Product& product, std::span<const std::int32_t> cells, std::span<std::int32_t> sums) {
  std::fill(sums.begin(), sums.end(), 0);
  AccumulateNarrow(product, cells.data(), sums.data());
}

void Accumulate(const Product& product, std::span<const std::int32_t> cells, std::span<std::int64_t> sums) {
  std::fill(sums.begin(), sums.end(), 0);
  AccumulateWide(product, cells.data(), sums.data());
}

void Accumulate(const Product& product, std::span<const float> weights, std::span<const float> cells,
                std::span<float> sums) {
  std::fill(sums.begin(), sums.end(), 0.0F);
  AccumulateFloats(product, weights.data(), cells.data(), sums.data());
}

std::vector<std::int64_t> FanOut(const Product& product, std::int64_t source_size) {
  std::vector<std::int64_t> by_cell(static_cast<std::size_t>(product.in), 0);
  if (product.kind == ProductKind::kSparse) {
    for (std::size_t k = 0; k < by_cell.size(); ++k) {
      by_cell[k] = product.sparse_start[k + 1] - product.sparse_start[k];
    }
  } else {
    for (std::size_t k = 0; k < by_cell.size(); ++k) {
      by_cell[k] = product.kind == ProductKind::kDense ? product.out : 0;
    }
  }
  if (product.kind == ProductKind::kConv) {
    std::int64_t cell = 0;
    const ConvGeometry& g = product.conv;
    const std::int64_t kernel = std::max(g.kernel_height, g.kernel_width);
    std::vector<Reach> scratch(static_cast<std::size_t>(kernel));
    for (std::int64_t y = 0; y < g.in_height; ++y) {
      const auto rows =
          Reaches(y, g.pad_top, g.kernel_height, g.stride_y, g.dilation_y, g.out_height, scratch.data());
      for (std::int64_t x = 0; x < g.in_width; ++x) {
        const auto columns =
            Reaches(x, g.pad_left, g.kernel_width, g.stride_x, g.dilation_x, g.out_width, scratch.data());
        for (std::int64_t c = 0; c < g.in_channels; ++c) {
          by_cell[static_cast<std::size_t>(cell++)] = rows * columns * (g.out_channels / g.groups);
        }
      }
    }
  }
  if (product.gather.start.empty()) {
    return by_cell;
  }
  std::vector<std::int64_t> by_source(static_cast<std::size_t>(source_size), 0);
  for (std::size_t c = 0; c < by_cell.size(); ++c) {
    for (auto e = product.gather.start[c]; e < product.gather.start[c + 1]; ++e) {
      by_source[static_cast<std::size_t>(product.gather.index[static_cast<std::size_t>(e)])] += by_cell[c];
    }
  }
  return by_source;
}

}  // namespace spikeserve::kernels
