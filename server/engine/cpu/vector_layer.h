#pragma once

#include <cstdint>
#include <span>

#include "kernels/cpu/fold.h"
#include "server/engine/cpu/cpu_run.h"
#include "server/engine/cpu/layout/cpu_scratch.h"
#include "server/engine/cpu/layout/layer_state.h"

namespace spikeserve::engine {

struct VectorChunk {
  std::int64_t steps = 0;
  bool ends = false;  // nobody reads voltages or the last step's values after it
};

// Runs a spiking layer over a chunk with the vector kernels: the same bits as the plain loops, layer state
// and spike counts included. False, with the state as it was, where they cannot: then the plain loops must.
// `fold` takes the spikes for the readout if it is their only reader besides layers; else null.
// Adds what was emitted to `spikes`.
bool RunVectorLayer(const CpuRun& run, std::size_t layer, const VectorChunk& chunk, LayerState& state,
                    kernels::Fold* fold, CpuScratch& scratch, std::int64_t& spikes);

}  // namespace spikeserve::engine
