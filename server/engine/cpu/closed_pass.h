#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "server/engine/cpu/cpu_run.h"
#include "server/engine/cpu/layout/cpu_scratch.h"
#include "server/engine/cpu/layout/layer_state.h"

namespace spikeserve::engine {

using ClosedSample = ClosedScratch::Sample;

// Computes what all layers in closed form have sent by step `steps` (and at their ages before it), into
// scratch.closed.sent. At most scratch.closed.group samples, whose other layers have run so far.
void RunClosedPass(const CpuRun& run, std::int64_t steps, std::span<ClosedSample> samples,
                   CpuScratch& scratch);

}  // namespace spikeserve::engine
