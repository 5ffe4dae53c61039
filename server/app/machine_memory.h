#pragma once

#include <cstdint>

namespace spikeserve::app {

// Bytes of memory of the machine, or of the container that the process runs in where that has less.
std::int64_t MachineMemoryBytes();

}  // namespace spikeserve::app
