#include "server/engine/network/neuron_rules.h"

#include <cmath>

#include "server/engine/network/neuron_models.h"
#include "server/engine/network/neuron_traits.h"

namespace spikeserve::engine {
namespace {

// Of a neuron's model and of the base that it may have. `missing` says what is wrong where none is set.
template <typename Variant>
void CheckModel(const Variant& model, const std::string& where, const char* missing, Violations& violations) {
  const bool set = AskTraits(model, false, [&]<typename Traits, typename Model>(Traits, const Model& kind) {
    ParameterRules rules(where, violations);
    Traits::Check(kind, rules);
    if constexpr (SpikesOfRate<Model>) {
      const bool has_base = !std::holds_alternative<std::monostate>(kind.base);
      CheckModel(kind.base, has_base ? where + ": base" : where, ": base has no rate model set", violations);
    }
    return true;
  });
  if (!set) {
    violations.Add(where, missing);
  }
}

void CheckVoltage(const NeuronOperation& neuron, const std::string& where, Violations& violations) {
  if (!neuron.initial_voltage || std::holds_alternative<std::monostate>(neuron.model)) {
    return;
  }
  if (!HasVoltage(neuron.model)) {
    violations.Add(where, ": initial_voltage is set, but the model has no voltage");
    return;
  }
  const auto* constant = std::get_if<ConstantVoltage>(&*neuron.initial_voltage);
  if (constant != nullptr &&
      (!(std::abs(constant->value) <= kMaxVoltage) || constant->value > MaxInitialVoltage(neuron.model))) {
    violations.Add(where, ": initial_voltage is ", constant->value, ", wanted -1e6..1e6, and <= 1 for LIF");
  }
}

}  // namespace

void CheckNeuron(const NeuronOperation& neuron, const std::string& where, Violations& violations) {
  CheckModel(neuron.model, where, ": has no neuron model set", violations);
  ParameterRules rules(where, violations);
  if (const auto* gain = std::get_if<double>(&neuron.gain)) {
    rules.Finite("gain", *gain);
  }
  if (const auto* bias = std::get_if<double>(&neuron.bias)) {
    rules.Finite("bias", *bias);
  }
  if (const auto* scale = std::get_if<double>(&neuron.output_scale)) {
    rules.Finite("output_scale", *scale);
  }
  const bool scaled = !std::holds_alternative<std::monostate>(neuron.output_scale);
  if (scaled && !std::holds_alternative<MemoryFunction>(neuron.model)) {
    violations.Add(where, ": output_scale is set, but the model is no memory_function");
  }
  CheckVoltage(neuron, where, violations);
}

}  // namespace spikeserve::engine
