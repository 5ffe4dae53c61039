#pragma once

#include <vector>

#include "server/engine/network/network_definition.h"

// One of each kind of neuron and synapse, for tests that leave none out.
namespace spikeserve::testing {

struct BusyModel {
  engine::NeuronModel model;
  double current = 1;  // that keeps it busy
};

// Every model; those that make spikes of a rate over every rate.
std::vector<BusyModel> EveryModel();

// Every synapse and none; linear filters of every order, analog and discrete, with and without a direct part.
// For a dt of about 1 ms.
std::vector<engine::Synapse> EverySynapse();

}  // namespace spikeserve::testing
