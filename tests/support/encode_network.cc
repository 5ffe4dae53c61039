#include "tests/support/encode_network.h"

#include <cmath>
#include <variant>
#include <vector>

#include "server/rpc/wire/enums.h"

namespace spikeserve::testing {
namespace {

template <typename Values, typename Field>
void Fill(const Values& values, Field* field) {
  field->Add(values.begin(), values.end());
}

// Fills the message of one kind of operation.
void EncodeParameter(const engine::Parameter& in, v1::Parameter& out) {
  if (const auto* scalar = std::get_if<double>(&in)) {
    out.set_scalar(*scalar);
  }
  if (const auto* tensor = std::get_if<std::string>(&in)) {
    out.set_tensor(*tensor);
  }
}

struct OperationEncoder {
  v1::Operation& out;

  void operator()(const std::monostate&) const {}
  void operator()(const engine::InputOperation& in) const {
    auto& message = *out.mutable_input();
    Fill(in.shape, message.mutable_shape());
    if (in.uint8_scale) {
      message.set_uint8_scale(*in.uint8_scale);
    }
    if (in.uint8_offset) {
      message.set_uint8_offset(*in.uint8_offset);
    }
  }
  void operator()(const engine::AffineOperation& in) const {
    out.mutable_affine()->set_weight(in.weight);
    out.mutable_affine()->set_bias(in.bias);
  }
  void operator()(const engine::ConvOperation& in) const {
    auto& message = *out.mutable_conv();
    message.set_weight(in.weight);
    message.set_bias(in.bias);
    Fill(in.stride, message.mutable_stride());
    Fill(in.dilation, message.mutable_dilation());
    Fill(in.pad_before, message.mutable_pad_before());
    Fill(in.pad_after, message.mutable_pad_after());
    message.set_groups(in.groups);
  }
  void operator()(const engine::PoolOperation& in) const {
    auto& message = *out.mutable_pool();
    if (in.kind == engine::PoolKind::kAverage) {
      message.set_kind(v1::POOL_KIND_AVERAGE);
    } else if (in.kind == engine::PoolKind::kMax) {
      message.set_kind(v1::POOL_KIND_MAX);
    }
    Fill(in.window, message.mutable_window());
    Fill(in.stride, message.mutable_stride());
    Fill(in.pad_before, message.mutable_pad_before());
    Fill(in.pad_after, message.mutable_pad_after());
    message.set_count_include_pad(in.count_include_pad);
  }
  void operator()(const engine::ProductOperation& in) const {
    out.mutable_product()->set_amplitude(in.amplitude);
    if (in.output_scale.index() != 0) {
      EncodeParameter(in.output_scale, *out.mutable_product()->mutable_output_scale());
    }
  }
  void operator()(const engine::ScaleShiftOperation& in) const {
    out.mutable_scale_shift()->set_scale(in.scale);
    out.mutable_scale_shift()->set_shift(in.shift);
    out.mutable_scale_shift()->set_axis(in.axis);
  }
  void operator()(const engine::WeightedSumOperation& in) const {
    Fill(in.coefficients, out.mutable_weighted_sum()->mutable_coefficients());
  }
  void operator()(const engine::ConcatOperation& in) const { out.mutable_concat()->set_axis(in.axis); }
  void operator()(const engine::ReshapeOperation& in) const {
    Fill(in.shape, out.mutable_reshape()->mutable_shape());
  }
  void operator()(const engine::PermuteOperation& in) const {
    Fill(in.permutation, out.mutable_permute()->mutable_permutation());
  }
  void operator()(const engine::PadOperation& in) const {
    Fill(in.before, out.mutable_pad()->mutable_before());
    Fill(in.after, out.mutable_pad()->mutable_after());
  }
  void operator()(const engine::NeuronOperation& in) const;
  void operator()(const engine::ActivationOperation& in) const {
    auto& message = *out.mutable_activation();
    if (std::holds_alternative<engine::Softmax>(in.kind)) {
      message.mutable_softmax();
    }
    if (const auto* leaky = std::get_if<engine::LeakyRelu>(&in.kind)) {
      message.mutable_leaky_relu()->set_negative_slope(leaky->negative_slope);
    }
  }
};

// Rate models, which a NeuronOperation and a RateModel hold in fields of the same names.
template <typename Message>
struct RateEncoder {
  Message& out;

  void operator()(const std::monostate&) const {}
  void operator()(const engine::RectifiedLinear& in) const {
    out.mutable_rectified_linear()->set_amplitude(in.amplitude);
  }
  void operator()(const engine::LeakyRectifiedLinear& in) const {
    out.mutable_leaky_rectified_linear()->set_negative_slope(in.negative_slope);
    out.mutable_leaky_rectified_linear()->set_amplitude(in.amplitude);
  }
  void operator()(const engine::Sigmoid& in) const { out.mutable_sigmoid()->set_tau_ref(in.tau_ref); }
  void operator()(const engine::Tanh& in) const { out.mutable_tanh()->set_tau_ref(in.tau_ref); }
  void operator()(const engine::LifRate& in) const { Lif(in, *out.mutable_lif_rate()); }
  void operator()(const engine::SoftLifRate& in) const {
    Lif(in, *out.mutable_soft_lif_rate());
    out.mutable_soft_lif_rate()->set_sigma(in.sigma);
  }
  void operator()(const engine::AdaptiveLifRate& in) const {
    Lif(in, *out.mutable_adaptive_lif_rate());
    out.mutable_adaptive_lif_rate()->set_tau_n(in.tau_n);
    out.mutable_adaptive_lif_rate()->set_inc_n(in.inc_n);
  }

  template <typename In, typename Out>
  static void Lif(const In& in, Out& message) {
    message.set_tau_rc(in.tau_rc);
    message.set_tau_ref(in.tau_ref);
    message.set_amplitude(in.amplitude);
  }
};

struct ModelEncoder {
  v1::NeuronOperation& out;

  void operator()(const std::monostate&) const {}
  void operator()(const engine::SpikingRectifiedLinear& in) const {
    out.mutable_spiking_rectified_linear()->set_amplitude(in.amplitude);
  }
  void operator()(const engine::IntegrateAndFire& in) const {
    out.mutable_integrate_and_fire()->set_amplitude(in.amplitude);
    if (!std::isinf(in.min_voltage)) {
      out.mutable_integrate_and_fire()->set_min_voltage(in.min_voltage);
    }
  }
  void operator()(const engine::Lif& in) const {
    out.mutable_lif()->set_tau_rc(in.tau_rc);
    out.mutable_lif()->set_tau_ref(in.tau_ref);
    out.mutable_lif()->set_min_voltage(in.min_voltage);
    out.mutable_lif()->set_amplitude(in.amplitude);
  }
  void operator()(const engine::AdaptiveLif& in) const {
    auto& message = *out.mutable_adaptive_lif();
    message.set_tau_rc(in.tau_rc);
    message.set_tau_ref(in.tau_ref);
    message.set_min_voltage(in.min_voltage);
    message.set_amplitude(in.amplitude);
    message.set_tau_n(in.tau_n);
    message.set_inc_n(in.inc_n);
  }
  void operator()(const engine::Izhikevich& in) const {
    auto& message = *out.mutable_izhikevich();
    message.set_tau_recovery(in.tau_recovery);
    message.set_coupling(in.coupling);
    message.set_reset_voltage(in.reset_voltage);
    message.set_reset_recovery(in.reset_recovery);
    message.set_amplitude(in.amplitude);
  }
  void operator()(const engine::SpikingLeakyRectifiedLinear& in) const {
    out.mutable_spiking_leaky_rectified_linear()->set_negative_slope(in.negative_slope);
    out.mutable_spiking_leaky_rectified_linear()->set_amplitude(in.amplitude);
  }
  void operator()(const engine::MemoryRectifiedLinear& in) const {
    auto& message = *out.mutable_memory_rectified_linear();
    message.set_amplitude(in.amplitude);
    if (in.max_value) {
      message.set_max_value(*in.max_value);
    }
    message.set_negative_slope(in.negative_slope);
  }
  void operator()(const engine::MemoryFunction& in) const {
    auto& message = *out.mutable_memory_function();
    message.set_function(static_cast<v1::MemoryFunction::Function>(in.function));
    message.set_amplitude(in.amplitude);
    message.set_alpha(in.alpha);
  }
  void operator()(const engine::RegularSpiking& in) const { Base(in, *out.mutable_regular_spiking()); }
  void operator()(const engine::StochasticSpiking& in) const { Base(in, *out.mutable_stochastic_spiking()); }
  void operator()(const engine::PoissonSpiking& in) const { Base(in, *out.mutable_poisson_spiking()); }
  template <typename Rate>
  void operator()(const Rate& in) const {
    RateEncoder<v1::NeuronOperation>{out}(in);
  }

  template <typename In, typename Out>
  static void Base(const In& in, Out& message) {
    message.set_amplitude(in.amplitude);
    std::visit(RateEncoder<v1::RateModel>{*message.mutable_base()}, in.base);
  }
};

void EncodeSynapse(const engine::Synapse& in, v1::Synapse& out) {
  if (const auto* lowpass = std::get_if<engine::Lowpass>(&*in)) {
    out.mutable_lowpass()->set_tau(lowpass->tau);
  }
  if (const auto* alpha = std::get_if<engine::Alpha>(&*in)) {
    out.mutable_alpha()->set_tau(alpha->tau);
  }
  if (const auto* triangle = std::get_if<engine::Triangle>(&*in)) {
    out.mutable_triangle()->set_t(triangle->t);
  }
  if (const auto* filter = std::get_if<engine::LinearFilter>(&*in)) {
    Fill(filter->num, out.mutable_linear_filter()->mutable_num());
    Fill(filter->den, out.mutable_linear_filter()->mutable_den());
    out.mutable_linear_filter()->set_discrete(filter->discrete);
  }
}

void EncodeVoltage(const engine::InitialVoltage& in, v1::InitialVoltage& out) {
  if (std::holds_alternative<engine::ZeroVoltage>(in)) {
    out.mutable_zero();
  }
  if (const auto* constant = std::get_if<engine::ConstantVoltage>(&in)) {
    out.set_constant(constant->value);
  }
  if (const auto* uniform = std::get_if<engine::UniformVoltage>(&in)) {
    out.mutable_uniform()->set_seed(uniform->seed);
  }
  if (const auto* tensor = std::get_if<engine::TensorVoltage>(&in)) {
    out.set_tensor(tensor->tensor);
  }
}

void OperationEncoder::operator()(const engine::NeuronOperation& in) const {
  auto& message = *out.mutable_neuron();
  std::visit(ModelEncoder{message}, in.model);
  if (in.gain.index() != 0) {
    EncodeParameter(in.gain, *message.mutable_gain());
  }
  if (in.bias.index() != 0) {
    EncodeParameter(in.bias, *message.mutable_bias());
  }
  if (in.output_scale.index() != 0) {
    EncodeParameter(in.output_scale, *message.mutable_output_scale());
  }
  if (in.initial_voltage) {
    EncodeVoltage(*in.initial_voltage, *message.mutable_initial_voltage());
  }
}

void EncodeTensor(const engine::TensorDefinition& in, v1::Tensor& out) {
  out.set_id(in.id);
  Fill(in.shape, out.mutable_shape());
  out.set_data_type(rpc::Encode(in.type));
  out.set_data(in.data);
}

}  // namespace

v1::NetworkDefinition EncodeNetwork(const engine::NetworkDefinition& definition) {
  v1::NetworkDefinition message;
  message.set_format_version(definition.format_version);
  for (const auto& operation : definition.operations) {
    v1::Operation& out = *message.add_operations();
    out.set_name(operation.name);
    std::visit(OperationEncoder{out}, operation.kind);
  }
  for (const auto& connection : definition.connections) {
    v1::Connection& out = *message.add_connections();
    out.set_source(connection.source);
    out.set_target(connection.target);
    if (connection.synapse) {
      EncodeSynapse(connection.synapse, *out.mutable_synapse());
    }
    out.set_delay_steps(connection.delay_steps);
  }
  for (const auto& probe : definition.probes) {
    v1::Probe& out = *message.add_probes();
    out.set_name(probe.name);
    out.set_target(probe.target);
    out.set_quantity(rpc::Encode(probe.quantity));
    if (probe.synapse) {
      EncodeSynapse(probe.synapse, *out.mutable_synapse());
    }
    out.set_delay_steps(probe.delay_steps);
  }
  for (const auto& tensor : definition.tensors) {
    EncodeTensor(tensor, *message.add_tensors());
  }
  message.mutable_defaults()->set_dt(definition.defaults.dt);
  message.mutable_defaults()->set_steps(definition.defaults.steps);
  message.mutable_defaults()->mutable_readout()->set_kind(rpc::Encode(definition.defaults.readout.kind));
  message.mutable_defaults()->mutable_readout()->set_skip_steps(definition.defaults.readout.skip_steps);
  return message;
}

}  // namespace spikeserve::testing
