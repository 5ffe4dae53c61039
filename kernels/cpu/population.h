#pragma once

#include <cstdint>
#include <span>

#include "kernels/math/neuron.h"

// Element-wise steps over the neurons of one layer of one sample. All spans have the layer's length.
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

// The current is sum[j] + bias[j]; for the first two in units of voltage per step (J*dt).
StepResult StepSpikingRectifiedLinear(std::span<const float> sum, std::span<const float> bias,
                                      std::span<float> voltage, std::span<std::int32_t> counts);
StepResult StepIntegrateAndFire(std::span<const float> sum, std::span<const float> bias,
                                std::span<float> voltage, std::span<std::int32_t> counts);
StepResult StepLif(std::span<const float> sum, std::span<const float> bias, const math::LifConstants& lif,
                   std::span<float> voltage, std::span<float> refractory, std::span<std::int32_t> counts);
void StepRectifiedLinear(std::span<const float> sum, std::span<const float> bias, float amplitude,
                         std::span<float> values);

// currents[j] = sums[j] rounded once to float32, times scale[j].
void Scale(std::span<const std::int32_t> sums, std::span<const float> scale, std::span<float> currents);
void Scale(std::span<const std::int64_t> sums, std::span<const float> scale, std::span<float> currents);
void Scale(std::span<const float> sums, std::span<const float> scale, std::span<float> currents);
// The same of sums 2^16 * high + low, of magnitude below 2^40, with low >= 0.
void Scale(std::span<const std::int32_t> low, std::span<const std::int32_t> high,
           std::span<const float> scale, std::span<float> currents);

// sum += filter; then filter = fma(decay, filter, current): what was filtered up to the last step acts now.
void AddFiltered(std::span<const float> currents, float decay, std::span<float> filter, std::span<float> sum);
void Add(std::span<const float> currents, std::span<float> sum);

}  // namespace spikeserve::kernels
