#include "server/engine/cuda/layout/neurons.h"

#include <algorithm>

#include "server/engine/network/neuron_models.h"

namespace spikeserve::engine {
namespace {

using cuda::RateKind;
using cuda::ScanKind;

ScanKind KindOf(kernels::SpikingRule rule) {
  switch (rule) {
    case kernels::SpikingRule::kStochastic: return ScanKind::kStochastic;
    case kernels::SpikingRule::kPoisson: return ScanKind::kPoisson;
    case kernels::SpikingRule::kRegular: break;
  }
  return ScanKind::kRegular;
}

// The kind of each alternative of kernels::CurrentModel.
struct CurrentKind {
  ScanKind operator()(const kernels::SpikingRectifiedLinear&) const {
    return ScanKind::kSpikingRectifiedLinear;
  }
  ScanKind operator()(const kernels::IntegrateAndFire&) const { return ScanKind::kIntegrateAndFire; }
  ScanKind operator()(const kernels::BoundedIntegrateAndFire&) const {
    return ScanKind::kBoundedIntegrateAndFire;
  }
  ScanKind operator()(const kernels::SpikingLeakyRectifiedLinear&) const {
    return ScanKind::kSpikingLeakyRectifiedLinear;
  }
  ScanKind operator()(const math::LifConstants&) const { return ScanKind::kLif; }
  ScanKind operator()(const math::AdaptiveLifConstants&) const { return ScanKind::kAdaptiveLif; }
  ScanKind operator()(const math::IzhikevichConstants&) const { return ScanKind::kIzhikevich; }
};

ScanKind KindOf(const NeuronConstants& neurons) {
  if (neurons.rule) {
    return KindOf(*neurons.rule);
  }
  if (neurons.rate) {
    const bool plain = std::holds_alternative<math::rate::RectifiedLinear>(*neurons.rate);
    return plain ? ScanKind::kRectifiedLinear : ScanKind::kRate;
  }
  return std::visit(CurrentKind{}, neurons.current);
}

// Puts the function where its kind looks for it.
struct RateFiller {
  cuda::RateConstants& out;

  void operator()(const math::rate::RectifiedLinear& f) const {
    out.kind = RateKind::kRectifiedLinear;
    out.rectified_linear = f;
  }
  void operator()(const math::rate::LeakyRectifiedLinear& f) const {
    out.kind = RateKind::kLeakyRectifiedLinear;
    out.leaky = f;
  }
  void operator()(const math::rate::Sigmoid& f) const {
    out.kind = RateKind::kSigmoid;
    out.sigmoid = f;
  }
  void operator()(const math::rate::Tanh& f) const {
    out.kind = RateKind::kTanh;
    out.tanh = f;
  }
  void operator()(const math::rate::Lif& f) const {
    out.kind = RateKind::kLif;
    out.lif = f;
  }
  void operator()(const math::rate::SoftLif& f) const {
    out.kind = RateKind::kSoftLif;
    out.soft_lif = f;
  }
  void operator()(const math::rate::AdaptiveLif& f) const {
    out.kind = RateKind::kAdaptiveLif;
    out.adaptive_lif = f;
  }
};

struct CurrentFiller {
  cuda::ScanNeurons& out;

  void operator()(const kernels::SpikingRectifiedLinear&) const {}
  void operator()(const kernels::IntegrateAndFire&) const {}
  void operator()(const kernels::BoundedIntegrateAndFire& model) const {
    out.min_voltage = model.min_voltage;
  }
  void operator()(const kernels::SpikingLeakyRectifiedLinear& model) const {
    out.negative_slope = model.negative_slope;
  }
  void operator()(const math::LifConstants& model) const { out.lif = model; }
  void operator()(const math::AdaptiveLifConstants& model) const { out.adaptive_lif = model; }
  void operator()(const math::IzhikevichConstants& model) const { out.izhikevich = model; }
};

// Kind and states do not depend on dt.
NeuronConstants AtAnyDt(const NeuronLayer& layer) { return MakeNeuronConstants(layer.model, 0.001); }

}  // namespace

ScanKind CudaKindOf(const Layer& layer) {
  const NeuronLayer* neurons = NeuronsOf(layer);
  return neurons != nullptr ? KindOf(AtAnyDt(*neurons)) : ScanKind::kLinear;
}

std::array<bool, cuda::kNeuronState> CudaStatesOf(const Layer& layer) {
  const NeuronLayer* neurons = NeuronsOf(layer);
  if (neurons == nullptr) {
    return {};
  }
  const NeuronConstants constants = AtAnyDt(*neurons);
  return {HasVoltage(neurons->model), constants.has_second, constants.has_third};
}

cuda::ScanNeurons CudaNeuronsOf(const Layer& layer, const LayerConstants& constants) {
  const NeuronConstants& from = constants.neurons;
  cuda::ScanNeurons neurons;
  if (from.rate) {
    std::visit(RateFiller{neurons.rate}, *from.rate);
  }
  std::visit(CurrentFiller{neurons}, from.current);
  neurons.dt_s = from.dt_s;
  neurons.layer = DrawsOf({}, 0, layer.operation, 0).stream.layer;
  return neurons;
}

bool HasRandomNeurons(const Plan& plan) {
  return std::any_of(plan.layers.begin(), plan.layers.end(), [](const Layer& layer) {
    const NeuronLayer* neurons = NeuronsOf(layer);
    return neurons != nullptr && IsRandom(neurons->model);
  });
}

}  // namespace spikeserve::engine
