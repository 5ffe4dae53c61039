#pragma once

#include <cstdint>
#include <span>

#include "kernels/cpu/population.h"
#include "kernels/math/neuron_models.h"

// One step of a layer of any neuron type. Spans have the layer's length, or are empty where the type has no
// such state.
namespace spikeserve::kernels {

// values[j] = rate of the current sum[j] + bias[j]; adaptation: of AdaptiveLif.
void StepRates(const RateFunction& rate, std::span<const float> sum, std::span<const float> bias,
               std::span<float> adaptation, std::span<float> values);

// What the types keep from step to step. second: refractory steps left, or Izhikevich's recovery; third:
// adaptation.
struct NeuronStates {
  std::span<float> voltage, second, third;
};

StepResult StepNeurons(const CurrentModel& model, std::span<const float> sum, std::span<const float> bias,
                       const NeuronStates& states, std::span<std::int32_t> counts);

// Counts from rates in Hz; voltage: of kRegular.
StepResult StepSpikingRule(SpikingRule rule, std::span<const float> rates, float dt_s,
                           std::span<float> voltage, const StepDraws& draws, std::span<std::int32_t> counts);

}  // namespace spikeserve::kernels
