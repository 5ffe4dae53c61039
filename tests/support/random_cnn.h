#pragma once

#include <cstdint>

#include "tests/support/random_network.h"

namespace spikeserve::testing {

// A converted network as users have them: an image through convolutions, pooling and dense layers of
// integrating neurons to one linear output. Channel counts lie around the widths of vectors and blocks; some
// have synapses, a branch that is added, a filtered probe, uint8 inputs.
RandomNetwork MakeRandomCnn(std::uint64_t seed);

// Two convolutions, the second with more weights than a second-level cache holds, in 16 bits too.
RandomNetwork MakeWideCnn(std::uint64_t seed);

// The network with neurons that fire `factor` times as much and have memory, and without synapses.
RandomNetwork WithMemory(RandomNetwork network, double factor);
// The first one so.
RandomNetwork MakeMemoryCnn(std::uint64_t seed, double factor);

}  // namespace spikeserve::testing
