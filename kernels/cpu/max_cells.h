#pragma once

#include <cstdint>
#include <span>

#include "kernels/math/product.h"

namespace spikeserve::kernels {

// largest[c] = max(largest[c], values of the cells of `windows`): what is in `largest` counts as well. A
// window without cells leaves it as it is.
void MaxCells(const GatherSum& windows, std::span<const std::uint8_t> values,
              std::span<std::uint8_t> largest);
void MaxCells(const GatherSum& windows, std::span<const std::int32_t> values,
              std::span<std::int32_t> largest);
void MaxCells(const GatherSum& windows, std::span<const std::int64_t> values,
              std::span<std::int64_t> largest);

}  // namespace spikeserve::kernels
