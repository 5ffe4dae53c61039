#pragma once

#include <cstdint>
#include <span>

#include "kernels/math/neuron.h"
#include "kernels/math/rate.h"
#include "kernels/math/spiking.h"

// One step of a layer of neurons of any type.
namespace spikeserve::kernels {

// Magnitudes of spike counts are kept below this, where float32 still counts exactly. Counts below zero come
// from start voltages below zero.
constexpr float kMaxSpikesPerStep = 16777216.0F;

// What a step of a spiking layer did.
struct StepResult {
  std::int32_t largest = 0;  // magnitude of the largest spike count
  std::int64_t spikes = 0;   // of all neurons
  bool in_range = true;  // false: a count's magnitude was not below kMaxSpikesPerStep, or it was not a number
};

// Of the layer's length each, empty where the type has no such state.
using NeuronStates = math::PerState<std::span<float>>;

// values[j] = rate of the current sum[j] + bias[j].
void StepRates(const math::rate::Function& rate, std::span<const float> sum, std::span<const float> bias,
               const NeuronStates& states, std::span<float> values);

// Counts of the currents sum[j] + bias[j], times dt for the types that take a charge; of the rates sum[j] for
// those that take a rate. `first`: where the first neuron draws.
StepResult StepSpikes(const math::spiking::Function& neuron, std::span<const float> sum,
                      std::span<const float> bias, const NeuronStates& states, const math::DrawSite& first,
                      std::span<std::int32_t> counts);

}  // namespace spikeserve::kernels
