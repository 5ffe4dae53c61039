#pragma once

#include "server/engine/network/network.h"

namespace spikeserve::engine {

// The same graph with tensors that have no values: what there is to show of a network, and nothing to run.
Network OutlineOf(const Network& network);

}  // namespace spikeserve::engine
