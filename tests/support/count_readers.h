#pragma once

#include <cstdint>

#include "tests/support/random_network.h"

namespace spikeserve::testing {

// The network with a Pool of kind MAX, or two, behind some of its neurons with memory that lie on axes, and
// Products behind others. The shapes are the same, as windows reach beyond the edge.
// Neurons fire `factor` thousand times a second or so.
RandomNetwork WithCountReaders(RandomNetwork network, std::uint64_t seed, double factor = 1);

}  // namespace spikeserve::testing
