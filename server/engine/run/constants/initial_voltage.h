#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "server/engine/network/network.h"

namespace spikeserve::engine {

// Voltages at step 0 of a Neuron operation of `size` neurons; its index tells operations apart that share a
// seed. Uniform draws Philox block (neuron / 4, operation) under the seed: a neuron's value depends on
// nothing else.
std::vector<double> InitialVoltages(const Network& network, const InitialVoltage& policy,
                                    std::int64_t operation, std::int64_t size,
                                    std::optional<std::uint64_t> seed);

}  // namespace spikeserve::engine
