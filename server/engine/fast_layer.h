#pragma once

#include <cstdint>
#include <span>

#include "kernels/cpu/fold.h"
#include "server/engine/exact_run.h"
#include "server/engine/exact_scratch.h"
#include "server/engine/exact_state.h"

namespace spikeserve::engine {

struct FastChunk {
  std::int64_t steps = 0;
  bool ends = false;  // nobody reads voltages or the last step's values after it
};

// Runs a spiking layer over a chunk with the fast kernels: the same bits as the plain loops, layer state and
// spike counts included. False, with the state as it was, where they cannot: then the plain loops must.
// `fold` takes the spikes for the readout if it is their only reader besides layers; else null.
// Adds what was emitted to `spikes`.
bool RunFastLayer(const ExactRun& run, std::size_t layer, const FastChunk& chunk, LayerState& state,
                  kernels::Fold* fold, ExactScratch& scratch, std::int64_t& spikes);

}  // namespace spikeserve::engine
