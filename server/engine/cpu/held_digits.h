#pragma once

#include <cstddef>
#include <span>

#include "server/engine/cpu/cpu_run.h"
#include "server/engine/cpu/layout/cpu_scratch.h"

namespace spikeserve::engine {

// ComputeHeldCurrents for bytes times digits of weights, which the term must have: the same bits, as sums of
// integers are exact and rounded once.
void ComputeHeldDigits(const CpuRun& run, std::size_t layer, std::size_t term,
                       std::span<const HeldSample> samples, CpuScratch& scratch);

}  // namespace spikeserve::engine
