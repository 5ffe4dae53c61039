#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/packed_weights.h"

// Products of several samples with the same weights at once, so that each weight is read once per group of
// samples. For every output, sum = fma(weight, cell, sum) over its cells in ascending order from 0: the
// canonical order of product.h, which vectors over outputs and samples leave as it is.
namespace spikeserve::kernels {

// Samples that one pass over the weights serves.
constexpr std::int64_t kProductGroup = 4;

// Output channels of a block of PackedWeights<T>. The vector length of this machine decides.
std::int64_t FloatProductBlockWidth();
std::int64_t DoubleProductBlockWidth();

// One output pixel's block of channels for up to kProductGroup samples.
template <typename T>
struct GroupBlock {
  const T* weights = nullptr;  // [row][padded width]
  std::int64_t width = 0;
  std::span<const CellRange> ranges;
  std::span<const T* const> cells;  // [sample]
  std::span<T* const> sums;         // [sample]: [width]
};

// T float: real values. T double: integers below 2^53 throughout, hence exact.
void GroupProduct(const GroupBlock<float>& block);
void GroupProduct(const GroupBlock<double>& block);

// Replaces `ranges` by the runs of cells, of the first `count`, in which some sample has a value other than
// 0. Only `cell`, `length` and `row`, equal to `cell`, are set.
void FindUsedCells(std::span<const float* const> cells, std::int64_t count, std::vector<CellRange>& ranges);
void FindUsedCells(std::span<const double* const> cells, std::int64_t count, std::vector<CellRange>& ranges);

}  // namespace spikeserve::kernels
