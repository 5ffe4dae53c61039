#pragma once

#include "server/engine/network/network_definition.h"
#include "spikeserve/v1/network.pb.h"

namespace spikeserve::testing {

// A definition as a client would send it.
v1::NetworkDefinition EncodeNetwork(const engine::NetworkDefinition& definition);

}  // namespace spikeserve::testing
