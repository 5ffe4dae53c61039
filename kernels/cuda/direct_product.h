#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/cuda/cells.h"
#include "kernels/cuda/unroll.h"
#include "kernels/math/annotations.h"
#include "kernels/math/product.h"

// A product of weights with rows of cells by plain loops: for floats, whose order is fixed, for sums that may
// pass the range of digits in float32, and for weights that are sparse or grouped.
namespace spikeserve::cuda {

using ConvMap = kernels::ConvShape<std::int32_t>;

enum class ProductShape { kDense, kConv, kSparse };

// sums[row][j] = float32(sum over cells of weight * cell), for integers exact and rounded once, for floats by
// fma over ascending cells from 0.
struct DirectProduct {
  ProductShape shape = ProductShape::kDense;
  std::int64_t rows = 0;
  std::int64_t in = 0;   // cells of a row
  std::int64_t out = 0;  // sums of a row
  Cells cells;
  // The weights, as kernels/math/product.h lays them out, sparse ones by output. One of both is set.
  const std::int32_t* integers = nullptr;
  const float* floats = nullptr;
  ConvMap conv;
  const std::int64_t* sparse_start = nullptr;  // [out + 1]
  const std::int32_t* sparse_cell = nullptr;   // ascending within an output
  bool wide = false;                           // integer sums may pass an int32
  float* sums = nullptr;                       // [rows][out]
};

// Rows that one thread computes, so that it uses each weight as often.
constexpr int kProductRows = 4;

constexpr std::int64_t Threads(const DirectProduct& product) {
  return (product.rows + kProductRows - 1) / kProductRows * product.out;
}

// Calls visit(weight, cell) for everything that meets in output j, in ascending order of cells.
template <typename Visit>
SPIKESERVE_HOST_DEVICE void ForEachWeight(const DirectProduct& product, std::int64_t j, Visit visit) {
  if (product.shape == ProductShape::kDense) {
    for (std::int64_t k = 0; k < product.in; ++k) {
      visit(k * product.out + j, k);
    }
    return;
  }
  if (product.shape == ProductShape::kSparse) {
    for (std::int64_t e = product.sparse_start[j]; e < product.sparse_start[j + 1]; ++e) {
      visit(e, static_cast<std::int64_t>(product.sparse_cell[e]));
    }
    return;
  }
  const ConvMap& g = product.conv;
  const std::int32_t in_group = g.in_channels / g.groups;
  const auto channel = static_cast<std::int32_t>(j % g.out_channels);
  const auto pixel = static_cast<std::int32_t>(j / g.out_channels);
  const std::int32_t first = channel / (g.out_channels / g.groups) * in_group;
  for (std::int32_t ky = 0; ky < g.kernel_height; ++ky) {
    const std::int32_t y = pixel / g.out_width * g.stride_y + ky * g.dilation_y - g.pad_top;
    for (std::int32_t kx = 0; kx < g.kernel_width; ++kx) {
      const std::int32_t x = pixel % g.out_width * g.stride_x + kx * g.dilation_x - g.pad_left;
      if (y < 0 || y >= g.in_height || x < 0 || x >= g.in_width) {
        continue;
      }
      std::int64_t weight = std::int64_t{ky * g.kernel_width + kx} * in_group * g.out_channels + channel;
      const std::int64_t cell = (std::int64_t{y} * g.in_width + x) * g.in_channels + first;
      for (std::int32_t c = 0; c < in_group; ++c, weight += g.out_channels) {
        visit(weight, cell + c);
      }
    }
  }
}

// Sums wrap around where a sample has left its range, which its status says.
SPIKESERVE_HOST_DEVICE void MultiplyAdd(std::int32_t& sum, std::int32_t weight, std::int32_t cell) {
  sum = static_cast<std::int32_t>(static_cast<std::uint32_t>(sum) +
                                  static_cast<std::uint32_t>(weight) * static_cast<std::uint32_t>(cell));
}
SPIKESERVE_HOST_DEVICE void MultiplyAdd(std::int64_t& sum, std::int32_t weight, std::int32_t cell) {
  const std::int64_t product = std::int64_t{weight} * cell;
  sum = static_cast<std::int64_t>(static_cast<std::uint64_t>(sum) + static_cast<std::uint64_t>(product));
}
SPIKESERVE_HOST_DEVICE void MultiplyAdd(float& sum, float weight, float cell) {
  sum = fmaf(weight, cell, sum);
}
SPIKESERVE_HOST_DEVICE void MultiplyAdd(float& sum, std::int32_t weight, float cell) {
  sum = fmaf(static_cast<float>(weight), cell, sum);  // 22 bits are exact as float32
}

template <typename Sum, typename Cell, typename Weight>
SPIKESERVE_HOST_DEVICE void RunProduct(const DirectProduct& product, const Weight* weights,
                                       std::int64_t thread) {
  const std::int64_t j = thread % product.out;
  const std::int64_t first = thread / product.out * kProductRows;
  const auto* cells = static_cast<const Cell*>(product.cells.data);
  const Cell* row[kProductRows];
  Sum sum[kProductRows];
  SPIKESERVE_UNROLL
  for (int r = 0; r < kProductRows; ++r) {
    const std::int64_t at = first + r < product.rows ? first + r : product.rows - 1;
    row[r] = cells + at * product.cells.stride;
    sum[r] = Sum{0};
  }
  ForEachWeight(product, j, [&](std::int64_t weight, std::int64_t cell) {
    const Weight w = weights[weight];
    SPIKESERVE_UNROLL
    for (int r = 0; r < kProductRows; ++r) {
      MultiplyAdd(sum[r], w, Value(row[r][cell]));
    }
  });
  SPIKESERVE_UNROLL
  for (int r = 0; r < kProductRows; ++r) {
    if (first + r < product.rows) {
      product.sums[(first + r) * product.out + j] = static_cast<float>(sum[r]);
    }
  }
}

// Calls run(sum, cell, weights) with values of the types that the product has.
template <typename Run>
void WithTypes(const DirectProduct& product, Run run) {
  if (product.cells.type == CellType::kFloat) {
    product.floats != nullptr ? run(float{}, float{}, product.floats)
                              : run(float{}, float{}, product.integers);
  } else if (product.cells.type == CellType::kHalf) {
    product.wide ? run(std::int64_t{}, Half{}, product.integers)
                 : run(std::int32_t{}, Half{}, product.integers);
  } else if (product.cells.type == CellType::kByte) {
    product.wide ? run(std::int64_t{}, std::uint8_t{}, product.integers)
                 : run(std::int32_t{}, std::uint8_t{}, product.integers);
  } else {
    product.wide ? run(std::int64_t{}, std::int32_t{}, product.integers)
                 : run(std::int32_t{}, std::int32_t{}, product.integers);
  }
}

}  // namespace spikeserve::cuda
