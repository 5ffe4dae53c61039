#include "server/engine/run/constants/neuron_constants.h"

#include <cmath>

#include "server/engine/network/neuron_models.h"

namespace spikeserve::engine {
namespace {

float Float(double value) { return static_cast<float>(value); }

// Times in steps.
template <typename Model>
math::LifConstants MakeLif(const Model& lif, double dt_s) {
  return {Float(dt_s / lif.tau_rc), Float(lif.tau_rc / dt_s), Float(lif.tau_ref / dt_s),
          Float(lif.min_voltage)};
}

// Overloads fill in what each model has.
struct Maker {
  NeuronConstants& out;
  double dt_s;

  void operator()(const std::monostate&) const {}
  void operator()(const SpikingRectifiedLinear&) const { out.current = kernels::SpikingRectifiedLinear{}; }
  void operator()(const IntegrateAndFire& model) const {
    if (IsPlainIntegrator(model)) {
      out.current = kernels::IntegrateAndFire{};
    } else {
      out.current = kernels::BoundedIntegrateAndFire{Float(model.min_voltage)};
    }
  }
  void operator()(const SpikingLeakyRectifiedLinear& model) const {
    out.current = kernels::SpikingLeakyRectifiedLinear{Float(model.negative_slope)};
  }
  void operator()(const Lif& model) const {
    out.current = MakeLif(model, dt_s);
    out.has_second = true;
  }
  void operator()(const AdaptiveLif& model) const {
    out.current = math::AdaptiveLifConstants{MakeLif(model, dt_s), Float(dt_s / model.tau_n),
                                             Float(model.inc_n * model.amplitude / dt_s)};
    out.has_second = out.has_third = true;
  }
  void operator()(const Izhikevich& model) const {
    const double dt_ms = 1000 * dt_s;
    out.current =
        math::IzhikevichConstants{Float(dt_ms), Float(model.tau_recovery * dt_ms), Float(model.coupling),
                                  Float(model.reset_voltage), Float(model.reset_recovery)};
    out.has_second = true;
  }

  void operator()(const RectifiedLinear& model) const {
    out.rate = math::rate::RectifiedLinear{Float(model.amplitude)};
  }
  void operator()(const LeakyRectifiedLinear& model) const {
    out.rate = math::rate::LeakyRectifiedLinear{Float(model.amplitude),
                                                Float(model.amplitude * model.negative_slope)};
  }
  void operator()(const Sigmoid& model) const { out.rate = math::rate::Sigmoid{Float(1 / model.tau_ref)}; }
  void operator()(const Tanh& model) const { out.rate = math::rate::Tanh{Float(1 / model.tau_ref)}; }
  void operator()(const LifRate& model) const { out.rate = MakeRate(model); }
  void operator()(const SoftLifRate& model) const {
    out.rate =
        math::rate::SoftLif{Float(model.amplitude), Float(model.tau_rc),    Float(model.tau_ref),
                            Float(model.sigma),     Float(1 / model.sigma), Float(std::log(model.sigma))};
  }
  void operator()(const AdaptiveLifRate& model) const {
    out.rate = math::rate::AdaptiveLif{MakeRate(model), Float(dt_s / model.tau_n), Float(model.inc_n)};
    out.has_third = true;
  }

  void operator()(const RegularSpiking& model) const { Rule(model.base, kernels::SpikingRule::kRegular); }
  void operator()(const StochasticSpiking& model) const {
    Rule(model.base, kernels::SpikingRule::kStochastic);
  }
  void operator()(const PoissonSpiking& model) const { Rule(model.base, kernels::SpikingRule::kPoisson); }

 private:
  template <typename Model>
  static math::rate::Lif MakeRate(const Model& model) {
    return {Float(model.amplitude), Float(model.tau_rc), Float(model.tau_ref)};
  }
  void Rule(const RateModel& base, kernels::SpikingRule rule) const {
    std::visit(*this, base);
    out.rule = rule;
  }
};

}  // namespace

NeuronConstants MakeNeuronConstants(const NeuronModel& model, double dt_s) {
  NeuronConstants constants;
  constants.dt_s = Float(dt_s);
  constants.is_signed = IsSigned(model);
  std::visit(Maker{constants, dt_s}, model);
  return constants;
}

double CurrentUnit(const NeuronModel& model, double dt_s) {
  const bool integrates = std::holds_alternative<SpikingRectifiedLinear>(model) ||
                          std::holds_alternative<IntegrateAndFire>(model) ||
                          std::holds_alternative<SpikingLeakyRectifiedLinear>(model);
  return integrates ? dt_s : 1.0;
}

kernels::StepDraws DrawsOf(const SimulationSpec& spec, std::int64_t sample, std::int64_t operation,
                           std::int64_t step) {
  return {{spec.settings.seed.value_or(0), static_cast<std::uint32_t>(sample),
           static_cast<std::uint32_t>(operation)},
          static_cast<std::uint32_t>(step)};
}

}  // namespace spikeserve::engine
