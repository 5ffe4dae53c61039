#include "kernels/cpu/population.h"

#include <cstddef>

#include "kernels/cpu/dispatch.h"
#include "kernels/cpu/for_each_neuron.h"

namespace spikeserve::kernels {
namespace {

SPIKESERVE_CPU_CLONES StepResult SpikingRectifiedLinear(std::size_t n, const float* sum, const float* bias,
                                                        float* voltage, std::int32_t* counts) {
  return ForEachNeuron(
      n, counts, [&](std::size_t j) __attribute__((always_inline)) {
        return math::StepSpikingRectifiedLinear(sum[j] + bias[j], voltage[j]);
      });
}

SPIKESERVE_CPU_CLONES StepResult IntegrateAndFire(std::size_t n, const float* sum, const float* bias,
                                                  float* voltage, std::int32_t* counts) {
  return ForEachNeuron(
      n, counts, [&](std::size_t j) __attribute__((always_inline)) {
        return math::StepIntegrateAndFire(sum[j] + bias[j], voltage[j]);
      });
}

SPIKESERVE_CPU_CLONES StepResult Lif(std::size_t n, const float* sum, const float* bias,
                                     const math::LifConstants& lif, float* voltage, float* refractory,
                                     std::int32_t* counts) {
  return ForEachNeuron(
      n, counts, [&](std::size_t j) __attribute__((always_inline)) {
        return math::StepLif(sum[j] + bias[j], lif, voltage[j], refractory[j]);
      });
}

SPIKESERVE_CPU_CLONES void Filter(std::size_t n, const float* __restrict currents, float decay,
                                  float* __restrict filter, float* __restrict sum) {
  for (std::size_t j = 0; j < n; ++j) {
    sum[j] = sum[j] + filter[j];
    filter[j] = __builtin_fmaf(decay, filter[j], currents[j]);
  }
}

template <typename Sum>
inline __attribute__((always_inline)) void ScaleSums(std::size_t n, const Sum* sums, const float* scale,
                                                     float* currents) {
  for (std::size_t j = 0; j < n; ++j) {
    currents[j] = static_cast<float>(sums[j]) * scale[j];
  }
}

SPIKESERVE_CPU_CLONES void ScaleHalves(std::size_t n, const std::int32_t* low, const std::int32_t* high,
                                       const float* scale, float* currents) {
  for (std::size_t j = 0; j < n; ++j) {
    const auto upper = static_cast<float>(high[j] + (low[j] >> 16));  // below 2^24: exact
    currents[j] = __builtin_fmaf(upper, 65536.0F, static_cast<float>(low[j] & 0xffff)) * scale[j];
  }
}

}  // namespace

StepResult StepSpikingRectifiedLinear(std::span<const float> sum, std::span<const float> bias,
                                      std::span<float> voltage, std::span<std::int32_t> counts) {
  return SpikingRectifiedLinear(sum.size(), sum.data(), bias.data(), voltage.data(), counts.data());
}

StepResult StepIntegrateAndFire(std::span<const float> sum, std::span<const float> bias,
                                std::span<float> voltage, std::span<std::int32_t> counts) {
  return IntegrateAndFire(sum.size(), sum.data(), bias.data(), voltage.data(), counts.data());
}

StepResult StepLif(std::span<const float> sum, std::span<const float> bias, const math::LifConstants& lif,
                   std::span<float> voltage, std::span<float> refractory, std::span<std::int32_t> counts) {
  return Lif(sum.size(), sum.data(), bias.data(), lif, voltage.data(), refractory.data(), counts.data());
}

void StepRectifiedLinear(std::span<const float> sum, std::span<const float> bias, float amplitude,
                         std::span<float> values) {
  for (std::size_t j = 0; j < sum.size(); ++j) {
    values[j] = math::RectifiedLinearRate(sum[j] + bias[j], amplitude);
  }
}

void Scale(std::span<const std::int32_t> sums, std::span<const float> scale, std::span<float> currents) {
  ScaleSums(sums.size(), sums.data(), scale.data(), currents.data());
}

void Scale(std::span<const std::int64_t> sums, std::span<const float> scale, std::span<float> currents) {
  ScaleSums(sums.size(), sums.data(), scale.data(), currents.data());
}

void Scale(std::span<const float> sums, std::span<const float> scale, std::span<float> currents) {
  ScaleSums(sums.size(), sums.data(), scale.data(), currents.data());
}

void Scale(std::span<const std::int32_t> low, std::span<const std::int32_t> high,
           std::span<const float> scale, std::span<float> currents) {
  ScaleHalves(currents.size(), low.data(), high.data(), scale.data(), currents.data());
}

void AddFiltered(std::span<const float> currents, float decay, std::span<float> filter,
                 std::span<float> sum) {
  Filter(sum.size(), currents.data(), decay, filter.data(), sum.data());
}

void Add(std::span<const float> currents, std::span<float> sum) {
  for (std::size_t j = 0; j < sum.size(); ++j) {
    sum[j] = sum[j] + currents[j];
  }
}

}  // namespace spikeserve::kernels
