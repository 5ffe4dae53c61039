#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/engine/network/network_definition.h"
#include "tests/bench/timing.h"

namespace spikeserve::bench {

// A neuron type with inputs that make it work as it does in a trained network.
struct NeuronType {
  std::string name;
  engine::NeuronModel model;
  double low = 0, high = 1;  // inputs are spread evenly over this range
};

// Every model of engine::NeuronModel, SpikingRectifiedLinear first; the spiking ones over a rate model with
// RectifiedLinear.
std::vector<NeuronType> NeuronTypes();

struct NeuronRow {
  std::string name;
  bool correct = false;  // the same bytes as the plain loops, all finite
  double neuron_steps_per_s = 0;
  double to_rectified_linear = 0;  // of the rate of SpikingRectifiedLinear, in the same run
  double spikes_per_step = 0;      // and neuron
  double spread = 0;
};

// Times one layer of each type on one thread, in turn: input -> low-pass of 5 ms -> neurons, 100 steps of 1
// ms.
std::vector<NeuronRow> RunNeuronTypes(int repetitions, double window_s);

}  // namespace spikeserve::bench
