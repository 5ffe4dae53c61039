#pragma once

#include <cstdint>
#include <memory>

#include "server/base/status.h"
#include "server/base/stop_check.h"
#include "server/engine/network/network.h"
#include "server/engine/plan/plan.h"
#include "server/engine/plan/quantise.h"

namespace spikeserve::engine {

// Lays out a network for running. `largest_weight`: magnitude of the integers that spikes meet,
// LargestWeight of a mode. RESOURCE_EXHAUSTED where linear operations do not compose within
// kMaxComposedWeights, INVALID_ARGUMENT where what they compose to overflows float64.
Result<Plan> Compile(std::shared_ptr<const Network> network, const StopCheck& stopped = {},
                     std::int32_t largest_weight = kExactLargestWeight);

}  // namespace spikeserve::engine
