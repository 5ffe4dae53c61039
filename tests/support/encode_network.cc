#include "tests/support/encode_network.h"

#include <variant>
#include <vector>

#include "server/rpc/enums.h"

namespace spikeserve::testing {
namespace {

template <typename Values, typename Field>
void Fill(const Values& values, Field* field) {
  field->Add(values.begin(), values.end());
}

// Fills the message of one kind of operation.
struct OperationEncoder {
  v1::Operation& out;

  void operator()(const std::monostate&) const {}
  void operator()(const engine::InputOperation& in) const {
    auto& message = *out.mutable_input();
    Fill(in.shape, message.mutable_shape());
    if (in.uint8_scale) message.set_uint8_scale(*in.uint8_scale);
    if (in.uint8_offset) message.set_uint8_offset(*in.uint8_offset);
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
    if (in.kind == engine::PoolKind::kAverage) message.set_kind(v1::POOL_KIND_AVERAGE);
    Fill(in.window, message.mutable_window());
    Fill(in.stride, message.mutable_stride());
    Fill(in.pad_before, message.mutable_pad_before());
    Fill(in.pad_after, message.mutable_pad_after());
    message.set_count_include_pad(in.count_include_pad);
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
    if (std::holds_alternative<engine::Softmax>(in.kind)) message.mutable_softmax();
    if (const auto* leaky = std::get_if<engine::LeakyRelu>(&in.kind)) {
      message.mutable_leaky_relu()->set_negative_slope(leaky->negative_slope);
    }
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
  }
  void operator()(const engine::Lif& in) const {
    out.mutable_lif()->set_tau_rc(in.tau_rc);
    out.mutable_lif()->set_tau_ref(in.tau_ref);
    out.mutable_lif()->set_min_voltage(in.min_voltage);
    out.mutable_lif()->set_amplitude(in.amplitude);
  }
  void operator()(const engine::RectifiedLinear& in) const {
    out.mutable_rectified_linear()->set_amplitude(in.amplitude);
  }
};

void EncodeParameter(const engine::Parameter& in, v1::Parameter& out) {
  if (const auto* scalar = std::get_if<double>(&in)) out.set_scalar(*scalar);
  if (const auto* tensor = std::get_if<std::string>(&in)) out.set_tensor(*tensor);
}

void EncodeVoltage(const engine::InitialVoltage& in, v1::InitialVoltage& out) {
  if (std::holds_alternative<engine::ZeroVoltage>(in)) out.mutable_zero();
  if (const auto* constant = std::get_if<engine::ConstantVoltage>(&in)) out.set_constant(constant->value);
  if (const auto* uniform = std::get_if<engine::UniformVoltage>(&in))
    out.mutable_uniform()->set_seed(uniform->seed);
  if (const auto* tensor = std::get_if<engine::TensorVoltage>(&in)) out.set_tensor(tensor->tensor);
}

void OperationEncoder::operator()(const engine::NeuronOperation& in) const {
  auto& message = *out.mutable_neuron();
  std::visit(ModelEncoder{message}, in.model);
  if (in.gain.index() != 0) EncodeParameter(in.gain, *message.mutable_gain());
  if (in.bias.index() != 0) EncodeParameter(in.bias, *message.mutable_bias());
  if (in.initial_voltage) EncodeVoltage(*in.initial_voltage, *message.mutable_initial_voltage());
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
    if (connection.synapse) out.mutable_synapse()->mutable_lowpass()->set_tau(connection.synapse->tau);
  }
  for (const auto& probe : definition.probes) {
    v1::Probe& out = *message.add_probes();
    out.set_name(probe.name);
    out.set_target(probe.target);
    out.set_quantity(rpc::Encode(probe.quantity));
    if (probe.synapse) out.mutable_synapse()->mutable_lowpass()->set_tau(probe.synapse->tau);
  }
  for (const auto& tensor : definition.tensors) EncodeTensor(tensor, *message.add_tensors());
  message.mutable_defaults()->set_dt(definition.defaults.dt);
  message.mutable_defaults()->set_steps(definition.defaults.steps);
  message.mutable_defaults()->mutable_readout()->set_kind(rpc::Encode(definition.defaults.readout.kind));
  message.mutable_defaults()->mutable_readout()->set_skip_steps(definition.defaults.readout.skip_steps);
  return message;
}

}  // namespace spikeserve::testing
