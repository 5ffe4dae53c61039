#pragma once

#include "server/engine/network/network_definition.h"
#include "tests/support/random.h"

// Neuron models and synapses of every kind, for random networks.
namespace spikeserve::testing {

struct RandomModel {
  engine::NeuronModel model;
  double current = 1;  // the usual size of the current that keeps it busy
  double level = 1;    // the usual size of its output
};

// Any model but the ones that plain random networks have.
RandomModel MakeRandomModel(Random& random);

// Any synapse.
engine::SynapseKind RandomSynapse(Random& random);

}  // namespace spikeserve::testing
