#pragma once

#include <cstdint>
#include <span>

#include "server/engine/cpu/closed_pass.h"

namespace spikeserve::engine {

// Which layer, how long (by the index of the age) before the step of the samples.
struct ClosedSite {
  std::size_t layer = 0;
  std::size_t age = 0;
};

// Computes what the layer has sent. False, and nothing done, where the layer is not fused, its counts have
// too many digits, or samples are at different steps and it is not a convolution.
bool RunFusedLayer(const CpuRun& run, const ClosedSite& site, std::span<ClosedSample> samples,
                   CpuScratch& scratch);

}  // namespace spikeserve::engine
