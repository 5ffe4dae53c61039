#pragma once

#include <cstdint>
#include <span>

#include "kernels/cpu/packed_weights.h"
#include "server/engine/cpu/layout/cpu_scratch.h"
#include "server/engine/run/constants/run_constants.h"

namespace spikeserve::engine {

// current[row] = RN_fp32(sum of integer weights times counts, exactly) * scale[row]. False, and nothing
// computed, where counts up to `largest` might pass the range in which the sum is exact.
bool IntegerCurrent(const kernels::Product& product, std::span<const float> scale,
                    std::span<const std::int32_t> counts, std::int64_t largest, CurrentScratch& scratch,
                    std::span<float> current);

// sums[row] = sum of integer weights times counts, exactly. False, and nothing computed, likewise.
bool IntegerSums(const kernels::Product& product, std::span<const std::int32_t> counts, std::int64_t largest,
                 CurrentScratch& scratch, std::span<std::int64_t> sums);

// current[row] = (sum of weights times values, by fma in ascending order of source elements) * scale[row].
// `weights` in the layout of the product.
void FloatCurrent(const kernels::Product& product, std::span<const float> weights,
                  std::span<const float> scale, std::span<const float> values, CurrentScratch& scratch,
                  std::span<float> current);

// The same with the weights of a dense product packed by FloatProductBlockWidth().
void DenseCurrent(const kernels::Product& product, const kernels::PackedWeights<float>& weights,
                  std::span<const float> scale, std::span<const float> values, CurrentScratch& scratch,
                  std::span<float> current);

// The sums alone, of kProductGroup samples at most, whose values are the product's cells: [sample][row].
void DenseSums(const kernels::Product& product, const kernels::PackedWeights<float>& weights,
               std::span<const float* const> cells, std::span<float* const> sums);

}  // namespace spikeserve::engine
