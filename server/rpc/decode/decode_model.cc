#include "server/rpc/decode/decode_model.h"

namespace spikeserve::rpc {
namespace {

engine::SpikingRectifiedLinear Decode(const v1::SpikingRectifiedLinear& model) { return {model.amplitude()}; }

engine::IntegrateAndFire Decode(const v1::IntegrateAndFire& model) {
  engine::IntegrateAndFire decoded{.amplitude = model.amplitude()};
  if (model.has_min_voltage()) {
    decoded.min_voltage = model.min_voltage();
  }
  return decoded;
}

engine::MemoryRectifiedLinear Decode(const v1::MemoryRectifiedLinear& model) {
  engine::MemoryRectifiedLinear decoded{
      .amplitude = model.amplitude(), .max_value = std::nullopt, .negative_slope = model.negative_slope()};
  if (model.has_max_value()) {
    decoded.max_value = model.max_value();
  }
  return decoded;
}

// The numbers of both are the same but for what this server does not know.
math::MeanFunction Decode(v1::MemoryFunction::Function function) {
  static_assert(static_cast<int>(math::MeanFunction::kSoftmax) == v1::MemoryFunction::SOFTMAX);
  return v1::MemoryFunction::Function_IsValid(function) ? static_cast<math::MeanFunction>(function)
                                                        : math::MeanFunction::kNone;
}

engine::MemoryFunction Decode(const v1::MemoryFunction& model) {
  return {Decode(model.function()), model.amplitude(), model.alpha()};
}

engine::Lif Decode(const v1::Lif& model) {
  return {model.tau_rc(), model.tau_ref(), model.min_voltage(), model.amplitude()};
}

engine::AdaptiveLif Decode(const v1::AdaptiveLif& model) {
  return {model.tau_rc(),    model.tau_ref(), model.min_voltage(),
          model.amplitude(), model.tau_n(),   model.inc_n()};
}

engine::Izhikevich Decode(const v1::Izhikevich& model) {
  return {model.tau_recovery(), model.coupling(), model.reset_voltage(), model.reset_recovery(),
          model.amplitude()};
}

engine::SpikingLeakyRectifiedLinear Decode(const v1::SpikingLeakyRectifiedLinear& model) {
  return {model.negative_slope(), model.amplitude()};
}

engine::RectifiedLinear Decode(const v1::RectifiedLinear& model) { return {model.amplitude()}; }

engine::LeakyRectifiedLinear Decode(const v1::LeakyRectifiedLinear& model) {
  return {model.negative_slope(), model.amplitude()};
}

engine::Sigmoid Decode(const v1::Sigmoid& model) { return {model.tau_ref()}; }

engine::Tanh Decode(const v1::Tanh& model) { return {model.tau_ref()}; }

engine::LifRate Decode(const v1::LifRate& model) {
  return {model.tau_rc(), model.tau_ref(), model.amplitude()};
}

engine::SoftLifRate Decode(const v1::SoftLifRate& model) {
  return {model.tau_rc(), model.tau_ref(), model.amplitude(), model.sigma()};
}

engine::AdaptiveLifRate Decode(const v1::AdaptiveLifRate& model) {
  return {model.tau_rc(), model.tau_ref(), model.amplitude(), model.tau_n(), model.inc_n()};
}

engine::RateModel Decode(const v1::RateModel& base) {
  switch (base.model_case()) {
    case v1::RateModel::kRectifiedLinear: return Decode(base.rectified_linear());
    case v1::RateModel::kLeakyRectifiedLinear: return Decode(base.leaky_rectified_linear());
    case v1::RateModel::kSigmoid: return Decode(base.sigmoid());
    case v1::RateModel::kTanh: return Decode(base.tanh());
    case v1::RateModel::kLifRate: return Decode(base.lif_rate());
    case v1::RateModel::kSoftLifRate: return Decode(base.soft_lif_rate());
    case v1::RateModel::kAdaptiveLifRate: return Decode(base.adaptive_lif_rate());
    case v1::RateModel::MODEL_NOT_SET: break;
  }
  return {};
}

}  // namespace

engine::NeuronModel DecodeModel(const v1::NeuronOperation& neuron) {
  switch (neuron.model_case()) {
    case v1::NeuronOperation::kSpikingRectifiedLinear: return Decode(neuron.spiking_rectified_linear());
    case v1::NeuronOperation::kIntegrateAndFire: return Decode(neuron.integrate_and_fire());
    case v1::NeuronOperation::kLif: return Decode(neuron.lif());
    case v1::NeuronOperation::kRectifiedLinear: return Decode(neuron.rectified_linear());
    case v1::NeuronOperation::kAdaptiveLif: return Decode(neuron.adaptive_lif());
    case v1::NeuronOperation::kIzhikevich: return Decode(neuron.izhikevich());
    case v1::NeuronOperation::kSpikingLeakyRectifiedLinear:
      return Decode(neuron.spiking_leaky_rectified_linear());
    case v1::NeuronOperation::kLeakyRectifiedLinear: return Decode(neuron.leaky_rectified_linear());
    case v1::NeuronOperation::kSigmoid: return Decode(neuron.sigmoid());
    case v1::NeuronOperation::kTanh: return Decode(neuron.tanh());
    case v1::NeuronOperation::kLifRate: return Decode(neuron.lif_rate());
    case v1::NeuronOperation::kSoftLifRate: return Decode(neuron.soft_lif_rate());
    case v1::NeuronOperation::kAdaptiveLifRate: return Decode(neuron.adaptive_lif_rate());
    case v1::NeuronOperation::kRegularSpiking:
      return engine::RegularSpiking{Decode(neuron.regular_spiking().base()),
                                    neuron.regular_spiking().amplitude()};
    case v1::NeuronOperation::kStochasticSpiking:
      return engine::StochasticSpiking{Decode(neuron.stochastic_spiking().base()),
                                       neuron.stochastic_spiking().amplitude()};
    case v1::NeuronOperation::kPoissonSpiking:
      return engine::PoissonSpiking{Decode(neuron.poisson_spiking().base()),
                                    neuron.poisson_spiking().amplitude()};
    case v1::NeuronOperation::kMemoryRectifiedLinear: return Decode(neuron.memory_rectified_linear());
    case v1::NeuronOperation::kMemoryFunction: return Decode(neuron.memory_function());
    case v1::NeuronOperation::MODEL_NOT_SET: break;
  }
  return {};
}

}  // namespace spikeserve::rpc
