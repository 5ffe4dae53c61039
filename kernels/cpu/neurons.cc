#include "kernels/cpu/neurons.h"

#include "kernels/cpu/dispatch.h"
#include "kernels/cpu/for_each_neuron.h"

namespace spikeserve::kernels {
namespace {

// Raw pointers, so that the compiler sees loops over arrays.
struct RateArrays {
  std::size_t n;
  const float* sum;
  const float* bias;
  float* adaptation;
  float* values;
};

template <typename Function>
inline __attribute__((always_inline)) void Map(const Function& function, const RateArrays& a) {
  for (std::size_t j = 0; j < a.n; ++j) {
    a.values[j] = function(a.sum[j] + a.bias[j]);
  }
}

SPIKESERVE_CPU_CLONES void Rates(const math::rate::RectifiedLinear& f, const RateArrays& a) { Map(f, a); }
SPIKESERVE_CPU_CLONES void Rates(const math::rate::LeakyRectifiedLinear& f, const RateArrays& a) {
  Map(f, a);
}
SPIKESERVE_CPU_CLONES void Rates(const math::rate::Sigmoid& f, const RateArrays& a) { Map(f, a); }
SPIKESERVE_CPU_CLONES void Rates(const math::rate::Tanh& f, const RateArrays& a) { Map(f, a); }
SPIKESERVE_CPU_CLONES void Rates(const math::rate::Lif& f, const RateArrays& a) { Map(f, a); }
SPIKESERVE_CPU_CLONES void Rates(const math::rate::SoftLif& f, const RateArrays& a) { Map(f, a); }
SPIKESERVE_CPU_CLONES void Rates(const math::rate::AdaptiveLif& f, const RateArrays& a) {
  for (std::size_t j = 0; j < a.n; ++j) {
    a.values[j] = f(a.sum[j] + a.bias[j], a.adaptation[j]);
  }
}

struct SpikeArrays {
  std::size_t n;
  const float* sum;
  const float* bias;
  float* voltage;
  float* second;
  float* third;
  std::int32_t* counts;
};

SPIKESERVE_CPU_CLONES StepResult Spikes(const BoundedIntegrateAndFire& model, const SpikeArrays& a) {
  return ForEachNeuron(
      a.n, a.counts, [&](std::size_t j) __attribute__((always_inline)) {
        return math::StepBoundedIntegrateAndFire(a.sum[j] + a.bias[j], model.min_voltage, a.voltage[j]);
      });
}

SPIKESERVE_CPU_CLONES StepResult Spikes(const SpikingLeakyRectifiedLinear& model, const SpikeArrays& a) {
  return ForEachNeuron(
      a.n, a.counts, [&](std::size_t j) __attribute__((always_inline)) {
        return math::StepSpikingLeakyRectifiedLinear(a.sum[j] + a.bias[j], model.negative_slope,
                                                     a.voltage[j]);
      });
}

SPIKESERVE_CPU_CLONES StepResult Spikes(const math::AdaptiveLifConstants& model, const SpikeArrays& a) {
  return ForEachNeuron(
      a.n, a.counts, [&](std::size_t j) __attribute__((always_inline)) {
        return math::StepAdaptiveLif(a.sum[j] + a.bias[j], model, a.voltage[j], a.second[j], a.third[j]);
      });
}

SPIKESERVE_CPU_CLONES StepResult Spikes(const math::IzhikevichConstants& model, const SpikeArrays& a) {
  return ForEachNeuron(
      a.n, a.counts, [&](std::size_t j) __attribute__((always_inline)) {
        return math::StepIzhikevich(a.sum[j] + a.bias[j], model, a.voltage[j], a.second[j]);
      });
}

SPIKESERVE_CPU_CLONES StepResult RegularSpikes(std::size_t n, const float* rates, float dt_s, float* voltage,
                                               std::int32_t* counts) {
  return ForEachNeuron(
      n, counts, [&](std::size_t j) __attribute__((always_inline)) {
        return math::StepRegularSpiking(rates[j], dt_s, voltage[j]);
      });
}

}  // namespace

void StepRates(const RateFunction& rate, std::span<const float> sum, std::span<const float> bias,
               std::span<float> adaptation, std::span<float> values) {
  const RateArrays arrays{sum.size(), sum.data(), bias.data(), adaptation.data(), values.data()};
  std::visit([&](const auto& function) { Rates(function, arrays); }, rate);
}

StepResult StepNeurons(const CurrentModel& model, std::span<const float> sum, std::span<const float> bias,
                       const NeuronStates& states, std::span<std::int32_t> counts) {
  if (std::holds_alternative<IntegrateAndFire>(model)) {
    return StepIntegrateAndFire(sum, bias, states.voltage, counts);
  }
  if (std::holds_alternative<SpikingRectifiedLinear>(model)) {
    return StepSpikingRectifiedLinear(sum, bias, states.voltage, counts);
  }
  if (const auto* lif = std::get_if<math::LifConstants>(&model)) {
    return StepLif(sum, bias, *lif, states.voltage, states.second, counts);
  }
  const SpikeArrays arrays{sum.size(),           sum.data(),          bias.data(),  states.voltage.data(),
                           states.second.data(), states.third.data(), counts.data()};
  if (const auto* bounded = std::get_if<BoundedIntegrateAndFire>(&model)) {
    return Spikes(*bounded, arrays);
  }
  if (const auto* leaky = std::get_if<SpikingLeakyRectifiedLinear>(&model)) {
    return Spikes(*leaky, arrays);
  }
  if (const auto* adaptive = std::get_if<math::AdaptiveLifConstants>(&model)) {
    return Spikes(*adaptive, arrays);
  }
  return Spikes(std::get<math::IzhikevichConstants>(model), arrays);
}

StepResult StepSpikingRule(SpikingRule rule, std::span<const float> rates, float dt_s,
                           std::span<float> voltage, const StepDraws& draws, std::span<std::int32_t> counts) {
  if (rule == SpikingRule::kRegular) {
    return RegularSpikes(rates.size(), rates.data(), dt_s, voltage.data(), counts.data());
  }
  const auto draw = rule == SpikingRule::kStochastic ? math::StepStochasticSpiking : math::StepPoissonSpiking;
  return ForEachNeuron(rates.size(), counts.data(), [&](std::size_t j) {
    return draw(rates[j], dt_s, draws.stream, static_cast<std::uint32_t>(j), draws.step);
  });
}

}  // namespace spikeserve::kernels
