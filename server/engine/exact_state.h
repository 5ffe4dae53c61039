#pragma once

#include <cstdint>
#include <vector>

namespace spikeserve::engine {

// What one layer of one sample keeps from step to step in exact mode.
struct LayerState {
  std::vector<float> voltage, refractory;
  std::vector<std::vector<float>> filters;   // [term]
  std::vector<std::vector<float>> constant;  // [term]: the current of an input that is held, once known
  std::vector<std::int64_t> spikes;          // [neuron], for statistics
};

}  // namespace spikeserve::engine
