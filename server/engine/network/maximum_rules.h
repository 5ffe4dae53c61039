#pragma once

#include <cstdint>

#include "server/engine/network/network.h"
#include "server/engine/network/violations.h"

namespace spikeserve::engine {

// Reports Pools of kind MAX whose cells are anything but what neurons with memory, or other such Pools, have
// sent: one amplitude, no synapse, no delay. All shapes and names of the network are right.
void CheckMaxima(const Network& network, Violations& violations);

// What one spike of the Pool of kind MAX counts for, times dt.
double MaximumAmplitude(const Network& network, std::int64_t operation);

}  // namespace spikeserve::engine
