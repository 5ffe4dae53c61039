#include "tests/conformance/golden_neurons.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

namespace spikeserve::testing {
namespace {

using nlohmann::json;

// Reads the parameters of one neuron type, with Nengo's defaults where a case names none; what was not asked
// for is missing in the engine.
class Reader {
 public:
  explicit Reader(const json& neuron) : neuron_(neuron), type_(neuron.at("type")) {}

  const std::string& type() const { return type_; }
  double Take(const char* name, double absent) {
    known_.insert(name);
    return neuron_.value(name, absent);
  }
  Reader Base() {
    known_.insert("base");
    return Reader(neuron_.at("base"));
  }
  void CheckAllTaken() const {
    for (const auto& [key, value] : neuron_.items()) {
      if (key != "type" && !known_.contains(key)) {
        throw Missing("the engine's " + type_ + " has no parameter " + key);
      }
    }
  }

 private:
  const json& neuron_;
  const std::string type_;
  std::set<std::string> known_;
};

std::optional<engine::RateModel> TakeRate(Reader& r) {
  if (r.type() == "RectifiedLinear") {
    return engine::RectifiedLinear{r.Take("amplitude", 1)};
  }
  if (r.type() == "Sigmoid") {
    return engine::Sigmoid{r.Take("tau_ref", 0.0025)};
  }
  if (r.type() == "Tanh") {
    return engine::Tanh{r.Take("tau_ref", 0.0025)};
  }
  if (r.type() == "LIFRate") {
    return engine::LifRate{r.Take("tau_rc", 0.02), r.Take("tau_ref", 0.002), r.Take("amplitude", 1)};
  }
  return std::nullopt;
}

engine::NeuronModel TakeModel(Reader& r) {
  if (const auto rate = TakeRate(r)) {
    return std::visit([](const auto& kind) { return engine::NeuronModel{kind}; }, *rate);
  }
  if (r.type() == "SpikingRectifiedLinear") {
    return engine::SpikingRectifiedLinear{r.Take("amplitude", 1)};
  }
  if (r.type() == "LIF") {
    return engine::Lif{r.Take("tau_rc", 0.02), r.Take("tau_ref", 0.002), r.Take("min_voltage", 0),
                       r.Take("amplitude", 1)};
  }
  if (r.type() == "AdaptiveLIF") {
    return engine::AdaptiveLif{r.Take("tau_rc", 0.02), r.Take("tau_ref", 0.002), r.Take("min_voltage", 0),
                               r.Take("amplitude", 1), r.Take("tau_n", 1),       r.Take("inc_n", 0.01)};
  }
  if (r.type() == "Izhikevich") {
    return engine::Izhikevich{r.Take("tau_recovery", 0.02), r.Take("coupling", 0.2),
                              r.Take("reset_voltage", -65), r.Take("reset_recovery", 8), 1};
  }
  if (r.type() == "RegularSpiking") {
    Reader base = r.Base();
    if (const auto rate = TakeRate(base)) {
      base.CheckAllTaken();
      return engine::RegularSpiking{*rate, r.Take("amplitude", 1)};
    }
    throw Missing("the engine has no rate type " + base.type());
  }
  throw Missing("the engine has no neuron type " + r.type());
}

engine::NeuronModel Model(const json& neuron) {
  Reader reader(neuron);
  engine::NeuronModel model = TakeModel(reader);
  reader.CheckAllTaken();
  return model;
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
  if (synapse.contains("lowpass")) {
    return engine::Lowpass{synapse.at("lowpass")};
  }
  if (synapse.contains("alpha")) {
    return engine::Alpha{synapse.at("alpha")};
  }
  if (synapse.contains("triangle")) {
    return engine::Triangle{synapse.at("triangle")};
  }
  if (synapse.contains("linear")) {
    const json& linear = synapse.at("linear");
    return engine::LinearFilter{linear.at("num"), linear.at("den"), !linear.value("analog", true)};
  }
  throw Missing("the engine has no synapse " + synapse.dump());
}

}  // namespace spikeserve::testing
