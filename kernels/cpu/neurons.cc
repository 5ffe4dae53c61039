#include "kernels/cpu/neurons.h"

#include <cstddef>
#include <variant>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/neurons.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {

// Raw pointers and constants by value, so that the compiler sees loops over arrays and makes vectors of them.
math::PerState<float*> ArraysOf(const NeuronStates& states) {
  return {states.voltage.data(), states.refractory.data(), states.recovery.data(), states.adaptation.data()};
}

template <typename Rate>
void MapRates(const Rate rate, std::size_t n, const float* sum, const float* bias,
              const math::PerState<float*> arrays, float* values) {
  for (std::size_t j = 0; j < n; ++j) {
    const auto at = static_cast<std::int64_t>(j);
    math::NeuronState state = math::LoadState<Rate>(arrays, at);
    values[j] = math::Step(rate, sum[j] + bias[j], state, {});
    math::StoreState<Rate>(state, arrays, at);
  }
}

template <typename Neuron>
StepResult CountSpikes(const Neuron neuron, std::size_t n, const float* sum, const float* bias,
                       const math::PerState<float*> arrays, const math::DrawSite first,
                       std::int32_t* counts) {
  std::int32_t largest = 0;
  std::int32_t out_of_range = 0;
  std::int64_t total = 0;
  for (std::size_t j = 0; j < n; ++j) {
    const auto at = static_cast<std::int64_t>(j);
    const float input = Neuron::kInput == math::StepInput::kRate ? sum[j] : sum[j] + bias[j];
    math::NeuronState state = math::LoadState<Neuron>(arrays, at);
    const float spikes = math::Step(neuron, input, state,
                                    {first.stream, first.neuron + static_cast<std::uint32_t>(j), first.step});
    math::StoreState<Neuron>(state, arrays, at);
    const bool in_range = __builtin_fabsf(spikes) < kMaxSpikesPerStep;  // false for what is not a number
    out_of_range |= in_range ? 0 : 1;
    const auto count = static_cast<std::int32_t>(in_range ? spikes : 0.0F);
    counts[j] = count;
    const std::int32_t magnitude = count < 0 ? -count : count;
    largest = magnitude > largest ? magnitude : largest;
    total += count;
  }
  return {largest, total, out_of_range == 0};
}

void RunRates(const math::rate::Function& rate, std::span<const float> sum, std::span<const float> bias,
              const NeuronStates& states, std::span<float> values) {
  std::visit(
      [&](const auto& kind) {
        MapRates(kind, sum.size(), sum.data(), bias.data(), ArraysOf(states), values.data());
      },
      rate);
}

StepResult RunSpikes(const math::spiking::Function& neuron, std::span<const float> sum,
                     std::span<const float> bias, const NeuronStates& states, const math::DrawSite& first,
                     std::span<std::int32_t> counts) {
  return std::visit(
      [&](const auto& kind) {
        return CountSpikes(kind, sum.size(), sum.data(), bias.data(), ArraysOf(states), first, counts.data());
      },
      neuron);
}

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeserve::kernels {

HWY_EXPORT(RunRates);
HWY_EXPORT(RunSpikes);

void StepRates(const math::rate::Function& rate, std::span<const float> sum, std::span<const float> bias,
               const NeuronStates& states, std::span<float> values) {
  HWY_DYNAMIC_DISPATCH(RunRates)(rate, sum, bias, states, values);
}

StepResult StepSpikes(const math::spiking::Function& neuron, std::span<const float> sum,
                      std::span<const float> bias, const NeuronStates& states, const math::DrawSite& first,
                      std::span<std::int32_t> counts) {
  return HWY_DYNAMIC_DISPATCH(RunSpikes)(neuron, sum, bias, states, first, counts);
}

}  // namespace spikeserve::kernels
#endif
