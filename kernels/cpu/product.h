#pragma once

#include <cstdint>
#include <span>
#include <vector>

// One linear map from a source layer to a target layer, as numbers: event-driven, one source element at a
// time in ascending order, which for every output is also the canonical order of float sums.
namespace spikeserve::kernels {

// Cell c of the product's input is the sum of the source elements index[start[c]..start[c+1]).
// Empty start: cells are the source elements.
struct GatherSum {
  std::vector<std::int64_t> start;
  std::vector<std::int32_t> index;
  std::int64_t most = 1;  // source elements of the fullest cell
};

// Channels-last convolution with explicit padding. 1-D: height 1.
struct ConvGeometry {
  std::int64_t in_height = 1, in_width = 1, in_channels = 1;
  std::int64_t out_height = 1, out_width = 1, out_channels = 1;
  std::int64_t kernel_height = 1, kernel_width = 1;
  std::int64_t stride_y = 1, stride_x = 1;
  std::int64_t dilation_y = 1, dilation_x = 1;
  std::int64_t pad_top = 0, pad_left = 0;
  std::int64_t groups = 1;
};

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

// Copies or sums source elements into cells.
void Gather(const GatherSum& gather, std::span<const std::int32_t> source, std::span<std::int32_t> cells);
void Gather(const GatherSum& gather, std::span<const float> source, std::span<float> cells);

// sums[row] = sum over cells of integer * count, exact while it fits the type.
void Accumulate(const Product& product, std::span<const std::int32_t> cells, std::span<std::int32_t> sums);
void Accumulate(const Product& product, std::span<const std::int32_t> cells, std::span<std::int64_t> sums);

// sums[row] = fma(weight, cell, sum) over cells in ascending order from 0; `weights` is product.floats or
// the integers as floats, in the layout of the kind.
void Accumulate(const Product& product, std::span<const float> weights, std::span<const float> cells,
                std::span<float> sums);

// How many weights each source element reaches (a spike's synaptic operations).
std::vector<std::int64_t> FanOut(const Product& product, std::int64_t source_size);

}  // namespace spikeserve::kernels
