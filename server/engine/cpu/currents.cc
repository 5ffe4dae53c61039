#include "server/engine/cpu/currents.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "kernels/cpu/group_product.h"
#include "kernels/cpu/population.h"
#include "kernels/cpu/product.h"
#include "server/engine/cpu/layout/sum_bounds.h"
#include "server/engine/network/index.h"

namespace spikeserve::engine {
namespace {

template <typename Sum>
void SumAndScale(const kernels::Product& product, std::span<const float> scale,
                 std::span<const std::int32_t> cells, std::span<Sum> buffer, std::span<float> current) {
  const std::span<Sum> sums = buffer.first(Index(product.out));
  kernels::Accumulate(product, cells, sums);
  kernels::Scale(sums, scale, current);
}

// The product's cells: the source itself, or gathered from it.
template <typename T>
std::span<const T> Cells(const kernels::Product& product, std::span<const T> source, std::span<T> buffer) {
  if (product.gather.start.empty()) {
    return source;
  }
  const std::span<T> cells = buffer.first(Index(product.in));
  kernels::Gather(product.gather, source, cells);
  return cells;
}

}  // namespace

bool IntegerCurrent(const kernels::Product& product, std::span<const float> scale,
                    std::span<const std::int32_t> counts, std::int64_t largest, CurrentScratch& scratch,
                    std::span<float> current) {
  const std::int64_t cell_bound = largest * product.gather.most;
  const double bound = static_cast<double>(cell_bound) * product.max_row_sum;
  if (cell_bound > INT32_MAX || bound > kWideSums) {
    return false;
  }
  const std::span<const std::int32_t> cells = Cells(product, counts, scratch.cells);
  if (bound < kNarrowSums) {
    SumAndScale(product, scale, cells, scratch.narrow, current);
  } else {
    SumAndScale(product, scale, cells, scratch.wide, current);
  }
  return true;
}

bool IntegerSums(const kernels::Product& product, std::span<const std::int32_t> counts, std::int64_t largest,
                 CurrentScratch& scratch, std::span<std::int64_t> sums) {
  const std::int64_t cell_bound = largest * product.gather.most;
  if (cell_bound > INT32_MAX || static_cast<double>(cell_bound) * product.max_row_sum > kWideSums) {
    return false;
  }
  kernels::Accumulate(product, Cells(product, counts, scratch.cells), sums);
  return true;
}

void FloatCurrent(const kernels::Product& product, std::span<const float> weights,
                  std::span<const float> scale, std::span<const float> values, CurrentScratch& scratch,
                  std::span<float> current) {
  const std::span<const float> cells = Cells(product, values, scratch.float_cells);
  const std::span<float> sums = scratch.sums.first(Index(product.out));
  kernels::Accumulate(product, weights, cells, sums);
  kernels::Scale(sums, scale, current);
}

void DenseCurrent(const kernels::Product& product, const kernels::PackedWeights<float>& weights,
                  std::span<const float> scale, std::span<const float> values, CurrentScratch& scratch,
                  std::span<float> current) {
  const float* const cells = Cells(product, values, scratch.float_cells).data();
  const std::span<float> sums = scratch.sums.first(Index(product.out));
  float* const out = sums.data();
  DenseSums(product, weights, std::span(&cells, 1), std::span(&out, 1));
  kernels::Scale(sums, scale, current);
}

void DenseSums(const kernels::Product& product, const kernels::PackedWeights<float>& weights,
               std::span<const float* const> cells, std::span<float* const> sums) {
  const kernels::CellRange all{.length = static_cast<std::int32_t>(product.in)};
  std::array<float*, kernels::kProductGroup> out{};
  for (std::int64_t block = 0; block < weights.blocks(); ++block) {
    for (std::size_t s = 0; s < sums.size(); ++s) {
      out[s] = sums[s] + weights.first_channel(block);
    }
    kernels::GroupProduct(kernels::GroupBlock<float>{weights.block(block), weights.width(block),
                                                     std::span(&all, 1), cells,
                                                     std::span<float* const>(out).first(sums.size())});
  }
}

}  // namespace spikeserve::engine
