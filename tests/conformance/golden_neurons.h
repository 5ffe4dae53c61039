#pragma once

#include <nlohmann/json_fwd.hpp>
#include <stdexcept>

#include "server/engine/network/network_definition.h"

// Neurons and synapses of a golden run in the engine's terms.
namespace spikeserve::testing {

// Thrown where a case uses what the engine does not have; what() names it.
class Missing : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

engine::NeuronOperation GoldenNeurons(const nlohmann::json& layer);
engine::Synapse GoldenSynapse(const nlohmann::json& synapse);

}  // namespace spikeserve::testing
