#include "tests/conformance/golden_neurons.h"

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace spikeserve::testing {
namespace {

using nlohmann::json;

// Nengo's defaults where a case names no value.
engine::NeuronModel Model(const json& neuron) {
  const std::map<std::string, std::set<std::string>> known = {
      {"SpikingRectifiedLinear", {"amplitude"}},
      {"RectifiedLinear", {"amplitude"}},
      {"LIF", {"tau_rc", "tau_ref", "min_voltage", "amplitude"}},
  };
  const std::string type = neuron.at("type");
  const auto found = known.find(type);
  if (found == known.end()) {
    throw Missing("the engine has no neuron type " + type);
  }
  for (const auto& [key, value] : neuron.items()) {
    if (key != "type" && !found->second.contains(key)) {
      throw Missing("the engine's " + type + " has no parameter " + key);
    }
  }
  const double amplitude = neuron.value("amplitude", 1.0);
  if (type == "LIF") {
    return engine::Lif{neuron.value("tau_rc", 0.02), neuron.value("tau_ref", 0.002),
                       neuron.value("min_voltage", 0.0), amplitude};
  }
  if (type == "RectifiedLinear") {
    return engine::RectifiedLinear{amplitude};
  }
  return engine::SpikingRectifiedLinear{amplitude};
}

engine::Parameter ParameterOf(const json& value) {
  if (value.is_string()) {
    return value.get<std::string>();
  }
  return value.is_null() ? engine::Parameter{} : engine::Parameter{value.get<double>()};
}

}  // namespace

engine::NeuronOperation GoldenNeurons(const json& layer) {
  engine::NeuronOperation neurons;
  neurons.model = Model(layer.at("neuron"));
  neurons.gain = ParameterOf(layer.at("gain"));
  neurons.bias = ParameterOf(layer.at("bias"));
  if (!layer.value("spiking", false)) {
    return neurons;
  }
  const json& voltage = layer.at("initial_voltage");
  neurons.initial_voltage = voltage.is_string() ? engine::InitialVoltage{engine::TensorVoltage{voltage}}
                                                : engine::InitialVoltage{engine::ConstantVoltage{voltage}};
  return neurons;
}

engine::Synapse GoldenSynapse(const json& synapse) {
  if (synapse.is_null()) {
    return std::nullopt;
  }
  if (!synapse.contains("lowpass")) {
    throw Missing("the engine has no synapse " + synapse.dump());
  }
  return engine::Lowpass{synapse.at("lowpass")};
}

}  // namespace spikeserve::testing
