#pragma once

#include <cmath>
#include <concepts>
#include <type_traits>
#include <variant>

#include "kernels/math/neuron.h"
#include "kernels/math/rate.h"
#include "kernels/math/spiking.h"
#include "server/engine/network/network_definition.h"
#include "server/engine/network/parameter_rules.h"

// What the engine has to know of each neuron model beside its step, in one place:
//   Step       its functor of kernels/math, which says what it emits, keeps, takes and draws
//   kName      the field of NeuronOperation.model in neuron.proto
//   kMaxStart  of spiking models with a voltage: what an initial voltage may reach
//   Check      reports the parameters that are out of range
//   At         the functor at one dt
// A spiking model has an amplitude, and one that makes spikes of a rate has a base. A model whose traits are
// not here, or not complete, does not compile.
namespace spikeserve::engine {

constexpr double kMaxVoltage = 1e6;  // magnitude of any initial voltage
constexpr double kThreshold = 1;     // of LIF: beyond, its refractory formula has no value

// A constant of a functor.
constexpr float Float(double value) { return static_cast<float>(value); }

// Times in steps.
template <typename Model>
math::spiking::Lif LifAt(const Model& model, double dt_s) {
  return {Float(dt_s / model.tau_rc), Float(model.tau_rc / dt_s), Float(model.tau_ref / dt_s),
          Float(model.min_voltage)};
}
template <typename Model>
math::rate::Lif LifRateOf(const Model& model) {
  return {Float(model.amplitude), Float(model.tau_rc), Float(model.tau_ref)};
}

template <typename Model>
struct NeuronTraits;

template <>
struct NeuronTraits<SpikingRectifiedLinear> {
  using Model = SpikingRectifiedLinear;
  using Step = math::spiking::RectifiedLinear;
  static constexpr const char* kName = "spiking_rectified_linear";
  static constexpr double kMaxStart = kMaxVoltage;
  static void Check(const Model& model, ParameterRules& rules) { rules.Amplitude(model.amplitude); }
  static Step At(const Model&, double) { return {}; }
};

template <>
struct NeuronTraits<IntegrateAndFire> {
  using Model = IntegrateAndFire;
  using Step = math::spiking::IntegrateAndFire;
  using Bounded = math::spiking::BoundedIntegrateAndFire;
  static_assert(Bounded::kInput == Step::kInput && Bounded::kSigned == Step::kSigned &&
                Bounded::kStates == Step::kStates);
  static constexpr const char* kName = "integrate_and_fire";
  static constexpr double kMaxStart = kMaxVoltage;
  static void Check(const Model& model, ParameterRules& rules) {
    rules.Amplitude(model.amplitude);
    rules.MinVoltage(model.min_voltage);
  }
  static math::spiking::Function At(const Model& model, double) {
    if (std::isinf(model.min_voltage)) {
      return Step{};
    }
    return Bounded{Float(model.min_voltage)};
  }
};

template <>
struct NeuronTraits<MemoryRectifiedLinear> {
  using Model = MemoryRectifiedLinear;
  using Step = math::spiking::MemoryRectifiedLinear;
  static constexpr const char* kName = "memory_rectified_linear";
  static constexpr double kMaxStart = kMaxVoltage;
  static void Check(const Model& model, ParameterRules& rules) {
    rules.Amplitude(model.amplitude);
    if (model.max_value) {
      rules.Positive("max_value", *model.max_value);
    }
    rules.Check("negative_slope", model.negative_slope, std::abs(model.negative_slope) <= 1, "-1..1");
  }
  static Step At(const Model&, double) { return {}; }
};

template <>
struct NeuronTraits<MemoryFunction> {
  using Model = MemoryFunction;
  using Step = math::spiking::MemoryRectifiedLinear;
  static constexpr const char* kName = "memory_function";
  static constexpr double kMaxStart = kMaxVoltage;
  static void Check(const Model& model, ParameterRules& rules) {
    rules.Amplitude(model.amplitude);
    rules.Check("function", static_cast<double>(model.function), model.function != math::MeanFunction::kNone,
                "one that this server knows");
    if (model.function == math::MeanFunction::kElu) {
      rules.Finite("alpha", model.alpha);
    } else if (model.function == math::MeanFunction::kNormalise) {
      rules.Positive("alpha", model.alpha);
    } else {
      rules.Check("alpha", model.alpha, model.alpha == 0, "0 for any function but ELU and NORMALISE");
    }
  }
  static Step At(const Model&, double) { return {}; }
};

template <>
struct NeuronTraits<SpikingLeakyRectifiedLinear> {
  using Model = SpikingLeakyRectifiedLinear;
  using Step = math::spiking::LeakyRectifiedLinear;
  static constexpr const char* kName = "spiking_leaky_rectified_linear";
  static constexpr double kMaxStart = kMaxVoltage;
  static void Check(const Model& model, ParameterRules& rules) {
    rules.Amplitude(model.amplitude);
    rules.NotNegative("negative_slope", model.negative_slope);
  }
  static Step At(const Model& model, double) { return {Float(model.negative_slope)}; }
};

template <>
struct NeuronTraits<Lif> {
  using Model = Lif;
  using Step = math::spiking::Lif;
  static constexpr const char* kName = "lif";
  static constexpr double kMaxStart = kThreshold;
  static void Check(const Model& model, ParameterRules& rules) {
    rules.LifRate(model);
    rules.MinVoltage(model.min_voltage);
  }
  static Step At(const Model& model, double dt_s) { return LifAt(model, dt_s); }
};

template <>
struct NeuronTraits<AdaptiveLif> {
  using Model = AdaptiveLif;
  using Step = math::spiking::AdaptiveLif;
  static constexpr const char* kName = "adaptive_lif";
  static constexpr double kMaxStart = kThreshold;
  static void Check(const Model& model, ParameterRules& rules) {
    rules.LifRate(model);
    rules.MinVoltage(model.min_voltage);
    rules.Adaptation(model);
  }
  static Step At(const Model& model, double dt_s) {
    return {LifAt(model, dt_s), Float(dt_s / model.tau_n), Float(model.inc_n * model.amplitude / dt_s)};
  }
};

template <>
struct NeuronTraits<Izhikevich> {
  using Model = Izhikevich;
  using Step = math::spiking::Izhikevich;
  static constexpr const char* kName = "izhikevich";
  static constexpr double kMaxStart = kMaxVoltage;
  static void Check(const Model& model, ParameterRules& rules) {
    rules.Amplitude(model.amplitude);
    rules.Finite("tau_recovery", model.tau_recovery);
    rules.Finite("coupling", model.coupling);
    rules.Finite("reset_recovery", model.reset_recovery);
    rules.Check("reset_voltage", model.reset_voltage,
                std::isfinite(model.reset_voltage) && model.reset_voltage < 30,
                "a finite number below 30 mV");
  }
  static Step At(const Model& model, double dt_s) {
    const double dt_ms = 1000 * dt_s;
    return {Float(dt_ms), Float(model.tau_recovery * dt_ms), Float(model.coupling),
            Float(model.reset_voltage), Float(model.reset_recovery)};
  }
};

template <>
struct NeuronTraits<RectifiedLinear> {
  using Model = RectifiedLinear;
  using Step = math::rate::RectifiedLinear;
  static constexpr const char* kName = "rectified_linear";
  static void Check(const Model& model, ParameterRules& rules) { rules.Amplitude(model.amplitude); }
  static Step At(const Model& model, double) { return {Float(model.amplitude)}; }
};

template <>
struct NeuronTraits<LeakyRectifiedLinear> {
  using Model = LeakyRectifiedLinear;
  using Step = math::rate::LeakyRectifiedLinear;
  static constexpr const char* kName = "leaky_rectified_linear";
  static void Check(const Model& model, ParameterRules& rules) {
    rules.Amplitude(model.amplitude);
    rules.Finite("negative_slope", model.negative_slope);
  }
  static Step At(const Model& model, double) {
    return {Float(model.amplitude), Float(model.amplitude * model.negative_slope)};
  }
};

template <>
struct NeuronTraits<Sigmoid> {
  using Model = Sigmoid;
  using Step = math::rate::Sigmoid;
  static constexpr const char* kName = "sigmoid";
  static void Check(const Model& model, ParameterRules& rules) { rules.Positive("tau_ref", model.tau_ref); }
  static Step At(const Model& model, double) { return {Float(1 / model.tau_ref)}; }
};

template <>
struct NeuronTraits<Tanh> {
  using Model = Tanh;
  using Step = math::rate::Tanh;
  static constexpr const char* kName = "tanh";
  static void Check(const Model& model, ParameterRules& rules) { rules.Positive("tau_ref", model.tau_ref); }
  static Step At(const Model& model, double) { return {Float(1 / model.tau_ref)}; }
};

template <>
struct NeuronTraits<LifRate> {
  using Model = LifRate;
  using Step = math::rate::Lif;
  static constexpr const char* kName = "lif_rate";
  static void Check(const Model& model, ParameterRules& rules) { rules.LifRate(model); }
  static Step At(const Model& model, double) { return LifRateOf(model); }
};

template <>
struct NeuronTraits<SoftLifRate> {
  using Model = SoftLifRate;
  using Step = math::rate::SoftLif;
  static constexpr const char* kName = "soft_lif_rate";
  static void Check(const Model& model, ParameterRules& rules) {
    rules.LifRate(model);
    rules.Positive("sigma", model.sigma);
  }
  static Step At(const Model& model, double) {
    return {Float(model.amplitude), Float(model.tau_rc),    Float(model.tau_ref),
            Float(model.sigma),     Float(1 / model.sigma), Float(std::log(model.sigma))};
  }
};

template <>
struct NeuronTraits<AdaptiveLifRate> {
  using Model = AdaptiveLifRate;
  using Step = math::rate::AdaptiveLif;
  static constexpr const char* kName = "adaptive_lif_rate";
  static void Check(const Model& model, ParameterRules& rules) {
    rules.LifRate(model);
    rules.Adaptation(model);
  }
  static Step At(const Model& model, double dt_s) {
    return {LifRateOf(model), Float(dt_s / model.tau_n), Float(model.inc_n)};
  }
};

template <>
struct NeuronTraits<RegularSpiking> {
  using Model = RegularSpiking;
  using Step = math::spiking::Regular;
  static constexpr const char* kName = "regular_spiking";
  static constexpr double kMaxStart = kMaxVoltage;
  static void Check(const Model& model, ParameterRules& rules) { rules.Amplitude(model.amplitude); }
  static Step At(const Model&, double dt_s) { return {Float(dt_s)}; }
};

template <>
struct NeuronTraits<StochasticSpiking> {
  using Model = StochasticSpiking;
  using Step = math::spiking::Stochastic;
  static constexpr const char* kName = "stochastic_spiking";
  static void Check(const Model& model, ParameterRules& rules) { rules.Amplitude(model.amplitude); }
  static Step At(const Model&, double dt_s) { return {Float(dt_s)}; }
};

template <>
struct NeuronTraits<PoissonSpiking> {
  using Model = PoissonSpiking;
  using Step = math::spiking::Poisson;
  static constexpr const char* kName = "poisson_spiking";
  static void Check(const Model& model, ParameterRules& rules) { rules.Amplitude(model.amplitude); }
  static Step At(const Model&, double dt_s) { return {Float(dt_s)}; }
};

// Emits integer spike counts; the others emit a real value.
template <typename Model>
constexpr bool kIsSpiking = math::EmitsSpikes<typename NeuronTraits<Model>::Step>;

// Makes spikes of the output of a rate model, its base.
template <typename Model>
concept SpikesOfRate = kIsSpiking<Model> && NeuronTraits<Model>::Step::kInput == math::StepInput::kRate;

// Steps in integers (kernels/math/memory.h), by no functor.
template <typename Model>
constexpr bool kRemembers =
    std::is_same_v<typename NeuronTraits<Model>::Step, math::spiking::MemoryRectifiedLinear>;

// The functors that At may return.
template <typename Model>
using FunctionOf =
    std::conditional_t<kRemembers<Model>, math::spiking::MemoryRectifiedLinear,
                       std::conditional_t<kIsSpiking<Model>, math::spiking::Function, math::rate::Function>>;

template <typename Model>
concept HasAmplitude = requires(const Model& model) {
  { model.amplitude } -> std::convertible_to<double>;
};
template <typename Model>
concept HasRange = NeuronTraits<Model>::kMaxStart > 0;

template <typename Model>
concept HasTraits =
    requires(const Model& model, ParameterRules& rules, double dt_s) {
      { NeuronTraits<Model>::kName } -> std::convertible_to<const char*>;
      NeuronTraits<Model>::Check(model, rules);
      { NeuronTraits<Model>::At(model, dt_s) } -> std::convertible_to<FunctionOf<Model>>;
    } && (!kIsSpiking<Model> || HasAmplitude<Model>)&&(!NeuronTraits<Model>::Step::kStates.voltage ||
                                                       HasRange<Model>);

// Answers ask(traits, model) for the model that is set, `otherwise` where none is.
template <typename Answer, typename... Models, typename Ask>
Answer AskTraits(const std::variant<std::monostate, Models...>& model, Answer otherwise, const Ask& ask) {
  static_assert((HasTraits<Models> && ...));
  return std::visit(
      [&]<typename Model>(const Model& kind) -> Answer {
        if constexpr (std::is_same_v<Model, std::monostate>) {
          return otherwise;
        } else {
          return ask(NeuronTraits<Model>{}, kind);
        }
      },
      model);
}

}  // namespace spikeserve::engine
