#pragma once

#include <cstdint>

#include "server/base/status.h"
#include "server/engine/network/network.h"

namespace spikeserve::engine {

// Upper bound of the bytes of the plan and of building it, from shapes alone. Fails as Compile does where
// paths multiply.
Result<std::int64_t> EstimatePlanBytes(const Network& network);

}  // namespace spikeserve::engine
