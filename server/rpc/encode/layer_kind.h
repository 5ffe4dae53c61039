#pragma once

#include <string>
#include <vector>

#include "server/engine/network/network_definition.h"

namespace spikeserve::rpc {

// The field name in Operation.kind; a Neuron adds its model: "neuron.integrate_and_fire".
std::string LayerKind(const engine::OperationKind& kind);

// The ids of the tensors that an operation uses.
std::vector<std::string> TensorsOf(const engine::OperationKind& kind);

}  // namespace spikeserve::rpc
