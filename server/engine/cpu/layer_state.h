#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/filter.h"

namespace spikeserve::engine {

// What one layer of one sample keeps from step to step in exact or fast mode.
struct LayerState {
  std::vector<float> voltage, second, third;  // see kernels::NeuronStates
  std::vector<std::vector<float>> filters;    // [term]: plain low-passes
  std::vector<kernels::FilterBank> banks;     // [term]: of the terms with a general filter
  std::vector<std::vector<float>> constant;   // [term]: the current of an input that is held, once known
  std::vector<std::int64_t> spikes;           // [neuron], for statistics
};

}  // namespace spikeserve::engine
