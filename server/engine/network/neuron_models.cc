#include "server/engine/network/neuron_models.h"

#include <cmath>
#include <type_traits>

namespace spikeserve::engine {
namespace {

template <typename Model, typename... Models>
constexpr bool kIsOneOf = (std::is_same_v<Model, Models> || ...);

template <typename Model>
constexpr bool kIsRate = kIsOneOf<Model, std::monostate, RectifiedLinear, LeakyRectifiedLinear, Sigmoid, Tanh,
                                  LifRate, SoftLifRate, AdaptiveLifRate>;
template <typename Model>
constexpr bool kIsRandom = kIsOneOf<Model, StochasticSpiking, PoissonSpiking>;

// Calls `test.operator()<Model>()` with the model's type.
template <typename Test>
bool Ask(const NeuronModel& model, Test test) {
  return std::visit(
      [&](const auto& kind) { return test.template operator()<std::decay_t<decltype(kind)>>(); }, model);
}

}  // namespace

bool IsSpiking(const NeuronModel& model) {
  return Ask(model, []<typename Model>() { return !kIsRate<Model>; });
}

bool HasVoltage(const NeuronModel& model) {
  return Ask(model, []<typename Model>() { return !kIsRate<Model> && !kIsRandom<Model>; });
}

bool IsRandom(const NeuronModel& model) {
  return Ask(model, []<typename Model>() { return kIsRandom<Model>; });
}

bool IsSigned(const NeuronModel& model) {
  return IsRandom(model) || std::holds_alternative<RegularSpiking>(model) ||
         std::holds_alternative<SpikingLeakyRectifiedLinear>(model);
}

double SpikeAmplitude(const NeuronModel& model) {
  return std::visit(
      [](const auto& kind) {
        using Model = std::decay_t<decltype(kind)>;
        if constexpr (kIsRate<Model>) {
          return 1.0;
        } else {
          return kind.amplitude;
        }
      },
      model);
}

bool IsPlainIntegrator(const NeuronModel& model) {
  const auto* bounded = std::get_if<IntegrateAndFire>(&model);
  return std::holds_alternative<SpikingRectifiedLinear>(model) ||
         (bounded != nullptr && std::isinf(bounded->min_voltage));
}

}  // namespace spikeserve::engine
