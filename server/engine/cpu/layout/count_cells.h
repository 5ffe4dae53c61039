#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "kernels/cpu/max_cells.h"
#include "kernels/math/memory_function.h"
#include "server/engine/network/index.h"
#include "server/engine/plan/plan.h"
#include "server/engine/run/constants/memory_constants.h"

// What units that read counts have sent, of what their cells have: in whole spikes.
namespace spikeserve::engine {

// Calls totals(t) for what the source of each term has sent. The largest of the cells and of zeros that a Pad
// has added.
template <typename T, typename TotalsOf>
void TakeLargest(const Layer& layer, TotalsOf totals, std::span<T> largest) {
  std::fill(largest.begin(), largest.end(), std::numeric_limits<T>::min());
  for (std::size_t t = 0; t < layer.terms.size(); ++t) {
    kernels::MaxCells(layer.terms[t].product.gather, std::span<const T>(totals(t)), largest);
  }
  const std::vector<std::uint8_t>& zeros = NeuronsOf(layer)->zeros;
  for (std::size_t j = 0; j < zeros.size(); ++j) {
    largest[j] = zeros[j] != 0 ? std::max(largest[j], T{0}) : largest[j];
  }
}

// Adds the cells of a window, of which a product has one or none by each term.
template <typename T>
void AddCells(const kernels::GatherSum& gather, std::span<const T> totals, std::span<std::int64_t> sums) {
  for (std::size_t j = 0; j < sums.size(); ++j) {
    for (auto e = gather.start[j]; e < gather.start[j + 1]; ++e) {
      sums[j] += totals[Index(gather.index[Index(e)])];
    }
  }
}

// The product of the two slots after `steps` steps, into `first`, with room for one of them in `second`.
template <typename T, typename TotalsOf>
void TakeProduct(const Layer& layer, const MemoryConstants& memory, std::int64_t steps, TotalsOf totals,
                 std::span<std::int64_t> first, std::span<std::int64_t> second) {
  std::fill(first.begin(), first.end(), 0);
  std::fill(second.begin(), second.end(), 0);
  for (std::size_t t = 0; t < layer.terms.size(); ++t) {
    AddCells(layer.terms[t].product.gather, std::span<const T>(totals(t)),
             NeuronsOf(layer)->slots[t] == 0 ? first : second);
  }
  for (std::size_t j = 0; j < first.size(); ++j) {
    first[j] = math::SentProduct(first[j], second[j], memory.rate[j], steps);
  }
}

}  // namespace spikeserve::engine
