#pragma once

#include "server/base/status.h"
#include "server/engine/simulation.h"

// The one place that says what the CUDA backend does not run. It runs every network.
namespace spikeserve::engine {

// UNIMPLEMENTED, naming the field, where the run needs something that no kernel does.
Status CheckCudaSupport(const SimulationSpec& spec);

}  // namespace spikeserve::engine
