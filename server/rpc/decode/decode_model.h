#pragma once

#include "server/engine/network/network_definition.h"
#include "spikeserve/v1/network.pb.h"

namespace spikeserve::rpc {

// A model that is unset or unknown becomes std::monostate, which the engine's checks report.
engine::NeuronModel DecodeModel(const v1::NeuronOperation& neuron);

}  // namespace spikeserve::rpc
