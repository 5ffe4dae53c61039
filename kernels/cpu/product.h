#pragma once

#include <cstdint>
#include <span>

#include "kernels/math/product.h"

// Products by plain loops: event-driven, one source element at a time in ascending order.
namespace spikeserve::kernels {

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

}  // namespace spikeserve::kernels
