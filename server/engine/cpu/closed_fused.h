#pragma once

#include <cstdint>
#include <span>

#include "server/engine/cpu/closed_pass.h"

namespace spikeserve::engine {

// Which layer, how long (by the index of the age) before step `steps`.
struct ClosedSite {
  std::size_t layer = 0;
  std::size_t age = 0;
  std::int64_t steps = 0;
};

// Whether the layer has one source alone, whose bytes or counts meet digits of the weights, so that its sums
// become counts as soon as they are there. What a held input causes is then not computed before.
bool IsFused(const CpuRun& run, std::size_t layer);

// Computes what the layer has sent. False, and nothing done, where the layer is not fused or its counts have
// too many digits.
bool RunFusedLayer(const CpuRun& run, const ClosedSite& site, std::span<ClosedSample> samples,
                   CpuScratch& scratch);

}  // namespace spikeserve::engine
