#pragma once

#include <cstdint>
#include <vector>

// One linear map from a source layer to a target layer, as numbers. Float sums have one canonical order: for
// every output the source elements in ascending order.
namespace spikeserve::kernels {

// Cell c of the product's input is the sum of the source elements index[start[c]..start[c+1]).
// Empty start: cells are the source elements.
struct GatherSum {
  std::vector<std::int64_t> start;
  std::vector<std::int32_t> index;
  std::int64_t most = 1;  // source elements of the fullest cell
  // So many cells after each other take elements after each other: index[start[c + 1] + i] is
  // index[start[c] + i] + 1, in each block of cells.
  std::int64_t block = 1;
};

// Channels-last convolution with explicit padding. 1-D: height 1.
template <typename Int>
struct ConvShape {
  Int in_height = 1, in_width = 1, in_channels = 1;
  Int out_height = 1, out_width = 1, out_channels = 1;
  Int kernel_height = 1, kernel_width = 1;
  Int stride_y = 1, stride_x = 1;
  Int dilation_y = 1, dilation_x = 1;
  Int pad_top = 0, pad_left = 0;
  Int groups = 1;
};
using ConvGeometry = ConvShape<std::int64_t>;

// The same in a narrower type; every field fits it.
template <typename To, typename From>
ConvShape<To> Narrow(const ConvShape<From>& g) {
  const auto n = [](From value) { return static_cast<To>(value); };
  return {n(g.in_height),    n(g.in_width),      n(g.in_channels),  n(g.out_height), n(g.out_width),
          n(g.out_channels), n(g.kernel_height), n(g.kernel_width), n(g.stride_y),   n(g.stride_x),
          n(g.dilation_y),   n(g.dilation_x),    n(g.pad_top),      n(g.pad_left),   n(g.groups)};
}

enum class ProductKind { kDense, kConv, kSparse };

// Weights are kept as integers (times a power of two per row), as floats, or both. Layouts:
// dense [in][out]; conv [ky][kx][in/groups][out] (group g's outputs are a contiguous block); sparse by
// column: entries start[in]..start[in+1) with their rows.
struct Product {
  ProductKind kind = ProductKind::kDense;
  std::int64_t in = 0;   // cells
  std::int64_t out = 0;  // rows
  GatherSum gather;
  ConvGeometry conv;
  std::vector<std::int64_t> sparse_start;
  std::vector<std::int32_t> sparse_row;
  std::vector<std::int32_t> integers;  // 22-bit, or 16-bit in fast mode
  std::vector<float> floats;
  // Per row [out], for conv per channel [out_channels]. A true weight is integer * integer_unit * row_scale
  // and float * row_scale.
  std::vector<double> integer_unit;  // powers of two, so that dyadic weights stay exact
  std::vector<double> row_scale;
  double max_row_sum = 0;  // max over rows of sum |integer|

  std::int64_t bytes() const;
};

// How many weights each source element reaches (a spike's synaptic operations).
std::vector<std::int64_t> FanOut(const Product& product, std::int64_t source_size);

// Sum of the float weights of each row, in the canonical order: what a constant 1 in every source
// element gives.
std::vector<float> RowTotals(const Product& product);

}  // namespace spikeserve::kernels
