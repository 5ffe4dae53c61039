#pragma once

#include "server/engine/network/network_definition.h"
#include "server/engine/network/violations.h"

namespace spikeserve::engine {

// Whether shape, type, size and values are what a network may have; reports what is not.
bool CheckTensor(const TensorDefinition& tensor, Violations& violations);

}  // namespace spikeserve::engine
