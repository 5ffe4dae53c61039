#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/filter.h"
#include "kernels/math/neuron.h"

namespace spikeserve::engine {

// What one layer of one sample keeps from step to step in exact or fast mode.
struct LayerState {
  math::PerState<std::vector<float>> neurons;  // [neuron], empty where they have no such state
  std::vector<std::vector<float>> filters;     // [term]: plain low-passes
  std::vector<kernels::FilterBank> banks;      // [term]: of the terms with a general filter
  std::vector<std::vector<float>> constant;    // [term]: the current of an input that is held, once known
  std::vector<std::int64_t> spikes;            // [neuron], for statistics
};

}  // namespace spikeserve::engine
