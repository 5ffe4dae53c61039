#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "server/engine/plan/plan.h"

namespace spikeserve::engine {

// The weights of a term of a layer with memory before they are integers, in the layout of its product, and
// what one unit of its source counts for times dt: an amplitude, or the scale of bytes.
struct MemoryTerm {
  std::vector<double> weights;
  double unit = 1;
};

// Whether all positions of a convolution have the gain of their channel, so that its rows can have it in
// them.
bool HasGainPerRow(const NeuronLayer& neurons, const kernels::Product& product);

// Cuts the integers of all terms of a layer with memory: row j of every term is what one count of the source
// adds to what neuron j has received, in spikes, gain and row scale included, rounded in units of
// 2^-shift[j]; `shift` is as large as `largest_weight` allows and at most 40. A product's integer_unit says
// what an integer stands for, as in other products; it is no power of two. Sets the layer's shift. The first
// neuron whose weights are too large for any shift; -1 if all is well.
std::int64_t CutMemoryRows(std::span<const MemoryTerm> terms, std::int32_t largest_weight, double dt_s,
                           Layer& layer);

}  // namespace spikeserve::engine
