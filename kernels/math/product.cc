#include "kernels/math/product.h"

#include <algorithm>
#include <cmath>

#include "kernels/math/product_blocks.h"

namespace spikeserve::kernels {
namespace {

template <typename T>
std::int64_t BytesOf(const std::vector<T>& values) {
  return static_cast<std::int64_t>(values.size() * sizeof(T));
}

// Weights behind each cell.
std::vector<std::int64_t> CellFanOut(const Product& product) {
  std::vector<std::int64_t> by_cell;
  const auto cells = static_cast<std::size_t>(product.in);
  by_cell.reserve(cells);
  if (product.kind == ProductKind::kDense) {
    by_cell.assign(cells, product.out);
  } else if (product.kind == ProductKind::kSparse) {
    for (std::size_t k = 0; k < cells; ++k) {
      by_cell.push_back(product.sparse_start[k + 1] - product.sparse_start[k]);
    }
  } else {
    const ConvGeometry& g = product.conv;
    std::vector<Reach> scratch(static_cast<std::size_t>(std::max(g.kernel_height, g.kernel_width)));
    for (std::int64_t y = 0; y < g.in_height; ++y) {
      const auto rows =
          Reaches(y, g.pad_top, g.kernel_height, g.stride_y, g.dilation_y, g.out_height, scratch.data());
      for (std::int64_t x = 0; x < g.in_width; ++x) {
        const auto columns =
            Reaches(x, g.pad_left, g.kernel_width, g.stride_x, g.dilation_x, g.out_width, scratch.data());
        by_cell.insert(by_cell.end(), static_cast<std::size_t>(g.in_channels),
                       rows * columns * (g.out_channels / g.groups));
      }
    }
  }
  return by_cell;
}

}  // namespace

std::int64_t Product::bytes() const {
  return BytesOf(gather.start) + BytesOf(gather.index) + BytesOf(sparse_start) + BytesOf(sparse_row) +
         BytesOf(integers) + BytesOf(floats) + BytesOf(integer_unit) + BytesOf(row_scale);
}

std::vector<std::int64_t> FanOut(const Product& product, std::int64_t source_size) {
  std::vector<std::int64_t> by_cell = CellFanOut(product);
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

std::vector<float> RowTotals(const Product& product) {
  std::vector<float> cells(static_cast<std::size_t>(product.in), 1.0F);
  for (std::size_t c = 0; c < cells.size() && !product.gather.start.empty(); ++c) {
    cells[c] = static_cast<float>(product.gather.start[c + 1] - product.gather.start[c]);
  }
  std::vector<float> totals(static_cast<std::size_t>(product.out), 0.0F);
  const auto add = [&](std::int64_t weight, std::int64_t row, float cell) {
    float& total = totals[static_cast<std::size_t>(row)];
    total = std::fma(product.floats[static_cast<std::size_t>(weight)], cell, total);
  };
  if (product.kind == ProductKind::kSparse) {
    for (std::size_t k = 0; k < cells.size(); ++k) {
      for (auto e = product.sparse_start[k]; e < product.sparse_start[k + 1]; ++e) {
        add(e, product.sparse_row[static_cast<std::size_t>(e)], cells[k]);
      }
    }
    return totals;
  }
  ForEachBlock(product, cells.data(),
               [&](std::int64_t weight, std::int64_t first, std::int64_t rows, float cell) {
                 for (std::int64_t j = 0; j < rows; ++j) {
                   add(weight + j, first + j, cell);
                 }
               });
  return totals;
}

}  // namespace spikeserve::kernels
