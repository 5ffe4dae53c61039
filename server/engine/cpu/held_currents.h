#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "server/engine/cpu/cpu_run.h"
#include "server/engine/cpu/layout/cpu_scratch.h"

namespace spikeserve::engine {

// Computes the current that held inputs cause through term `term` of a layer, for all samples at once, so
// that the weights are read once for a few samples: the same bits as sample by sample. The term must be one
// that VectorWeights has packed. Puts the samples into another order.
void ComputeHeldCurrents(const CpuRun& run, std::size_t layer, std::size_t term,
                         std::span<HeldSample> samples, CpuScratch& scratch);

}  // namespace spikeserve::engine
