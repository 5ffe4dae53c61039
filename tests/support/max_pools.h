#pragma once

#include <cstdint>

#include "tests/support/random_network.h"

namespace spikeserve::testing {

// The network with a Pool of kind MAX, or two, behind some of its neurons with memory that lie on axes: the
// same shapes, as windows reach beyond the edge.
RandomNetwork WithMaxPools(RandomNetwork network, std::uint64_t seed);

}  // namespace spikeserve::testing
