#pragma once

#include <string>

#include "server/engine/network/network_definition.h"
#include "server/engine/network/violations.h"

namespace spikeserve::engine {

// Reports every parameter of a Neuron operation that is out of its range, as far as that needs no shape;
// `where` names the operation.
void CheckNeuron(const NeuronOperation& neuron, const std::string& where, Violations& violations);

}  // namespace spikeserve::engine
