#pragma once

#include <cstdint>
#include <vector>

#include "server/engine/network/network.h"
#include "server/engine/run/simulation_spec.h"

namespace spikeserve::engine {

// Upper bound of the bytes of the readings of `samples` samples, as the engine and its caller hold them.
std::int64_t ReadingBytes(const SimulationSpec& spec, const std::vector<std::int64_t>& probe_sizes,
                          std::int64_t spiking_layers, std::int64_t samples);

// The same for the request probes, their state included.
std::int64_t RecordBytes(const Network& network, const SimulationSpec& spec, std::int64_t samples);

}  // namespace spikeserve::engine
