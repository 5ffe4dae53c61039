#pragma once

#include <cstdint>

#include "server/engine/network/network.h"
#include "server/engine/network/violations.h"

namespace spikeserve::engine {

// Reports operations that read counts (ReadsCounts) of anything but what neurons with memory, or others of
// them, have sent: of one amplitude by each connection, without synapse and delay. All shapes and names of
// the network are right.
void CheckCountReaders(const Network& network, Violations& violations);

// What one spike of a Neuron, of a Pool of kind MAX or of a Product counts for, times dt.
double AmplitudeOf(const Network& network, std::int64_t operation);

}  // namespace spikeserve::engine
