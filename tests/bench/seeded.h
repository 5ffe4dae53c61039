#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "server/engine/network/network.h"

namespace spikeserve::bench {

// Networks with random weights (the same for the same seed), without biases, of signed integrate-and-fire
// neurons. Gains are set from a float pass over a few random inputs so that a neuron spikes `rate` times per
// step on average, as in trained networks.

// sizes: inputs, hidden layers, outputs.
std::shared_ptr<const engine::Network> SeededDense(const std::vector<std::int64_t>& sizes, double rate);

// VGG-16 for images of 32x32x3: 13 convolutions 3x3, average pools, one dense layer of 10.
std::shared_ptr<const engine::Network> SeededVgg16(double rate);

// `samples` inputs of the network in [0, 1], the same every time.
std::vector<float> SeededInputs(const engine::Network& network, std::int64_t samples);

}  // namespace spikeserve::bench
