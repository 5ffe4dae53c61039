#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "server/engine/cpu/cpu_run.h"
#include "server/engine/cpu/layout/cpu_scratch.h"
#include "server/engine/cpu/layout/layer_state.h"

namespace spikeserve::engine {

using ClosedSample = ClosedScratch::Sample;

// Which layer, how long (by the index of the age) before the step of the samples.
struct ClosedSite {
  std::size_t layer = 0;
  std::size_t age = 0;
};

// Computes what the layer has sent. False, and nothing done, where the layer is not fused, its counts have
// too many digits, or samples are at different steps and it is not a convolution.
bool RunFusedLayer(const CpuRun& run, const ClosedSite& site, std::span<ClosedSample> samples,
                   CpuScratch& scratch);

// The same of units that read counts; false where they are others. With `sums` as RunStepPass has them.
bool RunCounts(const CpuRun& run, const ClosedSite& site, bool sums, std::span<ClosedSample> samples,
               CpuScratch& scratch);

// Computes what all layers in closed form have sent by the step of the samples, the same of all of them (and
// at their ages before it), into scratch.closed.sent. At most scratch.closed.group samples, whose other
// layers have run so far.
void RunClosedPass(const CpuRun& run, std::span<ClosedSample> samples, CpuScratch& scratch);

// The same of one layer that is stepped by passes, at any steps. Leaves in scratch.closed.z what each of its
// neurons had received by then, biases included, where `sums` asks for that.
void RunStepPass(const CpuRun& run, std::size_t layer, bool sums, std::span<ClosedSample> samples,
                 CpuScratch& scratch);

}  // namespace spikeserve::engine
