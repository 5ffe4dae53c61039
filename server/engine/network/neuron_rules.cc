#include "server/engine/network/neuron_rules.h"

#include <cmath>

#include "server/engine/network/neuron_models.h"

namespace spikeserve::engine {
namespace {

constexpr double kMaxVoltage = 1e6;

// The rules of each model. One use.
class Rules {
 public:
  Rules(const std::string& where, Violations& violations) : where_(where), violations_(violations) {}

  void operator()(const std::monostate&) { violations_.Add(where_, ": has no neuron model set"); }

  void operator()(const SpikingRectifiedLinear& model) { Amplitude(model.amplitude); }
  void operator()(const RectifiedLinear& model) { Amplitude(model.amplitude); }
  void operator()(const IntegrateAndFire& model) {
    Amplitude(model.amplitude);
    MinVoltage(model.min_voltage);
  }
  void operator()(const Lif& model) {
    Rate(model);
    MinVoltage(model.min_voltage);
  }
  void operator()(const AdaptiveLif& model) {
    Rate(model);
    MinVoltage(model.min_voltage);
    Adaptation(model);
  }
  void operator()(const Izhikevich& model) {
    Amplitude(model.amplitude);
    Finite("tau_recovery", model.tau_recovery);
    Finite("coupling", model.coupling);
    Finite("reset_recovery", model.reset_recovery);
    Check("reset_voltage", model.reset_voltage,
          std::isfinite(model.reset_voltage) && model.reset_voltage < 30, "a finite number below 30 mV");
  }
  void operator()(const SpikingLeakyRectifiedLinear& model) {
    Amplitude(model.amplitude);
    Check("negative_slope", model.negative_slope,
          std::isfinite(model.negative_slope) && model.negative_slope >= 0, "a finite number >= 0");
  }
  void operator()(const LeakyRectifiedLinear& model) {
    Amplitude(model.amplitude);
    Finite("negative_slope", model.negative_slope);
  }
  void operator()(const Sigmoid& model) { Positive("tau_ref", model.tau_ref); }
  void operator()(const Tanh& model) { Positive("tau_ref", model.tau_ref); }
  void operator()(const LifRate& model) { Rate(model); }
  void operator()(const SoftLifRate& model) {
    Rate(model);
    Positive("sigma", model.sigma);
  }
  void operator()(const AdaptiveLifRate& model) {
    Rate(model);
    Adaptation(model);
  }
  void operator()(const RegularSpiking& model) { Base(model); }
  void operator()(const StochasticSpiking& model) { Base(model); }
  void operator()(const PoissonSpiking& model) { Base(model); }

  void Finite(const char* field, double value) {
    Check(field, value, std::isfinite(value), "a finite number");
  }

 private:
  void Check(const char* field, double value, bool good, const char* wanted) {
    if (!good) {
      violations_.Add(where_, ": ", field, " is ", value, ", wanted ", wanted);
    }
  }
  void Positive(const char* field, double value) {
    Check(field, value, std::isfinite(value) && value > 0, "a finite number > 0");
  }
  void Amplitude(double value) {
    Check("amplitude", value, std::isfinite(value) && value != 0, "finite and not 0");
  }
  void MinVoltage(double value) { Check("min_voltage", value, value <= 0, "<= 0, or -inf for none"); }
  template <typename Model>
  void Rate(const Model& model) {
    Positive("tau_rc", model.tau_rc);
    Check("tau_ref", model.tau_ref, std::isfinite(model.tau_ref) && model.tau_ref >= 0,
          "a finite number >= 0");
    Amplitude(model.amplitude);
  }
  template <typename Model>
  void Adaptation(const Model& model) {
    Positive("tau_n", model.tau_n);
    Finite("inc_n", model.inc_n);
  }
  template <typename Model>
  void Base(const Model& model) {
    Amplitude(model.amplitude);
    const bool set = !std::holds_alternative<std::monostate>(model.base);
    if (!set) {
      violations_.Add(where_, ": base has no rate model set");
    } else {
      std::visit(Rules(where_ + ": base", violations_), model.base);
    }
  }

  const std::string where_;
  Violations& violations_;
};

void CheckVoltage(const NeuronOperation& neuron, const std::string& where, Violations& violations) {
  if (!neuron.initial_voltage || std::holds_alternative<std::monostate>(neuron.model)) {
    return;
  }
  if (!HasVoltage(neuron.model)) {
    violations.Add(where, ": initial_voltage is set, but the model has no voltage");
    return;
  }
  const auto* constant = std::get_if<ConstantVoltage>(&*neuron.initial_voltage);
  // Beyond the threshold the refractory formula of LIF has no value.
  const bool lif =
      std::holds_alternative<Lif>(neuron.model) || std::holds_alternative<AdaptiveLif>(neuron.model);
  if (constant != nullptr && (!(std::abs(constant->value) <= kMaxVoltage) || (lif && constant->value > 1))) {
    violations.Add(where, ": initial_voltage is ", constant->value, ", wanted -1e6..1e6, and <= 1 for LIF");
  }
}

}  // namespace

void CheckNeuron(const NeuronOperation& neuron, const std::string& where, Violations& violations) {
  Rules rules(where, violations);
  std::visit(rules, neuron.model);
  if (const auto* gain = std::get_if<double>(&neuron.gain)) {
    rules.Finite("gain", *gain);
  }
  if (const auto* bias = std::get_if<double>(&neuron.bias)) {
    rules.Finite("bias", *bias);
  }
  CheckVoltage(neuron, where, violations);
}

}  // namespace spikeserve::engine
