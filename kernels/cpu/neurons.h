#pragma once

#include <cstdint>
#include <span>
#include <variant>

#include "kernels/cpu/population.h"
#include "kernels/math/neuron.h"
#include "kernels/math/random.h"
#include "kernels/math/rate.h"

// One step of a layer of any neuron type. Spans have the layer's length, or are empty where the type has no
// such state.
namespace spikeserve::kernels {

using RateFunction =
    std::variant<math::rate::RectifiedLinear, math::rate::LeakyRectifiedLinear, math::rate::Sigmoid,
                 math::rate::Tanh, math::rate::Lif, math::rate::SoftLif, math::rate::AdaptiveLif>;

// values[j] = rate of the current sum[j] + bias[j]; adaptation: of AdaptiveLif.
void StepRates(const RateFunction& rate, std::span<const float> sum, std::span<const float> bias,
               std::span<float> adaptation, std::span<float> values);

// Spiking types that take a current; for the first four J*dt, in units of voltage per step.
struct SpikingRectifiedLinear {};
struct IntegrateAndFire {};
struct BoundedIntegrateAndFire {
  float min_voltage = 0;
};
struct SpikingLeakyRectifiedLinear {
  float negative_slope = 0;
};
using CurrentModel = std::variant<SpikingRectifiedLinear, IntegrateAndFire, BoundedIntegrateAndFire,
                                  SpikingLeakyRectifiedLinear, math::LifConstants, math::AdaptiveLifConstants,
                                  math::IzhikevichConstants>;

// What the types keep from step to step. second: refractory steps left, or Izhikevich's recovery; third:
// adaptation.
struct NeuronStates {
  std::span<float> voltage, second, third;
};

StepResult StepNeurons(const CurrentModel& model, std::span<const float> sum, std::span<const float> bias,
                       const NeuronStates& states, std::span<std::int32_t> counts);

// How the output of a rate function becomes spikes.
enum class SpikingRule { kRegular, kStochastic, kPoisson };

// Where the draws of a step come from.
struct StepDraws {
  math::RandomStream stream;
  std::uint32_t step = 0;
};

// Counts from rates in Hz; voltage: of kRegular.
StepResult StepSpikingRule(SpikingRule rule, std::span<const float> rates, float dt_s,
                           std::span<float> voltage, const StepDraws& draws, std::span<std::int32_t> counts);

}  // namespace spikeserve::kernels
