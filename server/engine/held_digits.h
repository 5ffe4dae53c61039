#pragma once

#include <cstddef>
#include <span>

#include "server/engine/exact_run.h"
#include "server/engine/exact_scratch.h"

namespace spikeserve::engine {

// ComputeHeldCurrents for bytes times digits of weights, which the term must have: the same bits, as sums of
// integers are exact and rounded once.
void ComputeHeldDigits(const ExactRun& run, std::size_t layer, std::size_t term,
                       std::span<const HeldSample> samples, ExactScratch& scratch);

}  // namespace spikeserve::engine
