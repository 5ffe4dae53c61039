#pragma once

#include <cstdint>
#include <vector>

namespace spikeserve::kernels {

// Each cell's mean count, rounded, of counts [steps][stride] of which `cells` per step are used, none above
// `largest`; `steps` times `largest` fits 16 bits. kCountPadding readable values follow in `usual`, which
// grows as needed.
void FindUsualCounts(const std::uint8_t* counts, std::int64_t stride, std::int64_t steps, std::int64_t cells,
                     std::int32_t largest, std::vector<std::uint8_t>& usual);

// By how much the counts of all steps and cells differ from the usual ones.
std::int64_t SumChanges(const std::uint8_t* counts, std::int64_t stride, std::int64_t steps,
                        std::int64_t cells, const std::uint8_t* usual);

}  // namespace spikeserve::kernels
