#pragma once

#include <cstdint>

#include "server/app/config.h"
#include "server/engine/run/backend.h"

namespace spikeserve::app {

// Bytes of memory of the machine, or of the container that the process runs in where that has less.
std::int64_t MachineMemoryBytes();

// What networks and requests may take: as configured, or most of the device or the machine, whichever has
// less, as most of what a network or a run takes lies on both, at different times.
std::int64_t BudgetBytes(const Config& config, const engine::Backend& backend);

}  // namespace spikeserve::app
