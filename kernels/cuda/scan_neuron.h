#pragma once

#include <cstdint>

#include "kernels/math/annotations.h"
#include "kernels/math/neuron.h"
#include "kernels/math/random.h"
#include "kernels/math/rate.h"

// The neurons of a scan: every type of kernels/math, one step at a time. The kind is known when a kernel is
// compiled; only which rate function a layer has is looked up, the same for all threads.
namespace spikeserve::cuda {

// What becomes of the summed current. The first four give values, the others spikes.
enum class ScanKind {
  kSum,              // itself
  kLinear,           // plus the bias
  kRectifiedLinear,  // the rate of the neuron
  kRate,             // another rate, see RateKind
  kSpikingRectifiedLinear,
  kIntegrateAndFire,
  kLif,
  kBoundedIntegrateAndFire,
  kSpikingLeakyRectifiedLinear,
  kAdaptiveLif,
  kIzhikevich,
  kRegular,     // the rate in RateKind, counted out evenly
  kStochastic,  // by chance
  kPoisson,     // Poisson distributed
};
SPIKESERVE_HOST_DEVICE constexpr bool IsSpiking(ScanKind kind) {
  return kind >= ScanKind::kSpikingRectifiedLinear;
}
// Draws random numbers.
SPIKESERVE_HOST_DEVICE constexpr bool IsRandom(ScanKind kind) {
  return kind == ScanKind::kStochastic || kind == ScanKind::kPoisson;
}
// May emit negative counts by its definition; each of them is a spike.
SPIKESERVE_HOST_DEVICE constexpr bool IsSigned(ScanKind kind) {
  return kind == ScanKind::kSpikingLeakyRectifiedLinear || kind >= ScanKind::kRegular;
}

enum class RateKind {
  kRectifiedLinear,
  kLeakyRectifiedLinear,
  kSigmoid,
  kTanh,
  kLif,
  kSoftLif,
  kAdaptiveLif
};

// Constants of the rate functions; only the one that `kind` names counts.
struct RateConstants {
  RateKind kind = RateKind::kRectifiedLinear;
  math::rate::RectifiedLinear rectified_linear;
  math::rate::LeakyRectifiedLinear leaky;
  math::rate::Sigmoid sigmoid;
  math::rate::Tanh tanh;
  math::rate::Lif lif;
  math::rate::SoftLif soft_lif;
  math::rate::AdaptiveLif adaptive_lif;
};

// Constants of the types; only those of the scan's kind count.
struct ScanNeurons {
  RateConstants rate;
  float min_voltage = 0;     // of kBoundedIntegrateAndFire
  float negative_slope = 0;  // of kSpikingLeakyRectifiedLinear
  math::LifConstants lif{};
  math::AdaptiveLifConstants adaptive_lif{};
  math::IzhikevichConstants izhikevich{};
  float dt_s = 0;           // of the kinds that turn a rate into spikes
  std::uint32_t layer = 0;  // of the random kinds, as draws see it
};

constexpr int kNeuronState = 3;  // floats per neuron: voltage; refractory time or recovery; adaptation

// One neuron of one sample at one step, counted from 0, as draws of random numbers see it.
struct NeuronSite {
  std::uint64_t seed = 0;
  std::uint32_t sample = 0;  // place in the request
  std::uint32_t neuron = 0;
  std::uint32_t step = 0;
};

SPIKESERVE_HOST_DEVICE float RateOf(const RateConstants& rate, float current, float& adaptation) {
  switch (rate.kind) {
    case RateKind::kLeakyRectifiedLinear: return rate.leaky(current);
    case RateKind::kSigmoid: return rate.sigmoid(current);
    case RateKind::kTanh: return rate.tanh(current);
    case RateKind::kLif: return rate.lif(current);
    case RateKind::kSoftLif: return rate.soft_lif(current);
    case RateKind::kAdaptiveLif: return rate.adaptive_lif(current, adaptation);
    case RateKind::kRectifiedLinear: break;
  }
  return rate.rectified_linear(current);
}

// The rate, or the spikes of the step as a float, for the kinds of neurons.
template <ScanKind kKind>
SPIKESERVE_HOST_DEVICE float StepNeuron(const ScanNeurons& neurons, float current, const NeuronSite& site,
                                        float (&state)[kNeuronState]) {
  if constexpr (kKind == ScanKind::kSpikingRectifiedLinear) {
    return math::StepSpikingRectifiedLinear(current, state[0]);
  } else if constexpr (kKind == ScanKind::kIntegrateAndFire) {
    return math::StepIntegrateAndFire(current, state[0]);
  } else if constexpr (kKind == ScanKind::kLif) {
    return math::StepLif(current, neurons.lif, state[0], state[1]);
  } else if constexpr (kKind == ScanKind::kBoundedIntegrateAndFire) {
    return math::StepBoundedIntegrateAndFire(current, neurons.min_voltage, state[0]);
  } else if constexpr (kKind == ScanKind::kSpikingLeakyRectifiedLinear) {
    return math::StepSpikingLeakyRectifiedLinear(current, neurons.negative_slope, state[0]);
  } else if constexpr (kKind == ScanKind::kAdaptiveLif) {
    return math::StepAdaptiveLif(current, neurons.adaptive_lif, state[0], state[1], state[2]);
  } else if constexpr (kKind == ScanKind::kIzhikevich) {
    return math::StepIzhikevich(current, neurons.izhikevich, state[0], state[1]);
  } else if constexpr (kKind == ScanKind::kRectifiedLinear) {
    return neurons.rate.rectified_linear(current);
  } else {
    const float rate = RateOf(neurons.rate, current, state[2]);
    const math::RandomStream stream{site.seed, site.sample, neurons.layer};
    if constexpr (kKind == ScanKind::kRegular) {
      return math::StepRegularSpiking(rate, neurons.dt_s, state[0]);
    } else if constexpr (kKind == ScanKind::kStochastic) {
      return math::StepStochasticSpiking(rate, neurons.dt_s, stream, site.neuron, site.step);
    } else if constexpr (kKind == ScanKind::kPoisson) {
      return math::StepPoissonSpiking(rate, neurons.dt_s, stream, site.neuron, site.step);
    } else {
      return rate;
    }
  }
}

}  // namespace spikeserve::cuda
