#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "server/engine/exact_run.h"
#include "server/engine/exact_scratch.h"

namespace spikeserve::engine {

// Computes the current that held inputs cause through term `term` of a layer, for all samples at once, so
// that the weights are read once for a few samples: the same bits as sample by sample. The term must be one
// that the fast plan has packed. Puts the samples into another order.
void ComputeHeldCurrents(const ExactRun& run, std::size_t layer, std::size_t term,
                         std::span<HeldSample> samples, ExactScratch& scratch);

// Values of an input from number `first` on, as float32.
void ReadInput(const InputOperation& input, DataType type, const std::byte* data, std::int64_t first,
               std::span<float> values);

}  // namespace spikeserve::engine
