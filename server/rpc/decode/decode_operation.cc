#include "server/rpc/decode/decode_operation.h"

#include <cstdint>
#include <utility>

#include "server/base/quote.h"
#include "server/rpc/decode/decode_model.h"
#include "server/rpc/wire/enums.h"

namespace spikeserve::rpc {
namespace {

using Repeated = google::protobuf::RepeatedField<std::int64_t>;

std::vector<std::int64_t> List(const Repeated& values) { return {values.begin(), values.end()}; }

engine::InputOperation DecodeInput(const v1::InputOperation& input) {
  engine::InputOperation decoded{List(input.shape()), {}, {}};
  if (input.has_uint8_scale()) {
    decoded.uint8_scale = input.uint8_scale();
  }
  if (input.has_uint8_offset()) {
    decoded.uint8_offset = input.uint8_offset();
  }
  return decoded;
}

engine::ConvOperation DecodeConv(const v1::ConvOperation& conv) {
  return {conv.weight(),
          conv.bias(),
          List(conv.stride()),
          List(conv.dilation()),
          List(conv.pad_before()),
          List(conv.pad_after()),
          conv.groups()};
}

engine::PoolOperation DecodePool(const v1::PoolOperation& pool) {
  return {Decode(pool.kind()),     List(pool.window()),    List(pool.stride()),
          List(pool.pad_before()), List(pool.pad_after()), pool.count_include_pad()};
}

engine::Parameter DecodeParameter(const v1::Parameter& parameter, const std::string& where,
                                  Problems& problems) {
  switch (parameter.kind_case()) {
    case v1::Parameter::kScalar: return parameter.scalar();
    case v1::Parameter::kTensor: return parameter.tensor();
    case v1::Parameter::KIND_NOT_SET: break;
  }
  problems.push_back(where + ": is present, but holds neither scalar nor tensor");
  return {};
}

engine::NeuronOperation DecodeNeuron(const v1::NeuronOperation& neuron, const std::string& where,
                                     Problems& problems) {
  engine::NeuronOperation decoded;
  decoded.model = DecodeModel(neuron);
  if (neuron.has_gain()) {
    decoded.gain = DecodeParameter(neuron.gain(), where + ": gain", problems);
  }
  if (neuron.has_bias()) {
    decoded.bias = DecodeParameter(neuron.bias(), where + ": bias", problems);
  }
  if (neuron.has_output_scale()) {
    decoded.output_scale = DecodeParameter(neuron.output_scale(), where + ": output_scale", problems);
  }
  if (neuron.has_initial_voltage()) {
    decoded.initial_voltage = DecodeVoltage(neuron.initial_voltage(), where + ": initial_voltage", problems);
  }
  return decoded;
}

engine::ProductOperation DecodeProduct(const v1::ProductOperation& product, const std::string& where,
                                       Problems& problems) {
  engine::ProductOperation decoded{.amplitude = product.amplitude()};
  if (product.has_output_scale()) {
    decoded.output_scale = DecodeParameter(product.output_scale(), where + ": output_scale", problems);
  }
  return decoded;
}

engine::ActivationOperation DecodeActivation(const v1::ActivationOperation& activation) {
  switch (activation.kind_case()) {
    case v1::ActivationOperation::kSoftmax: return {engine::Softmax{}};
    case v1::ActivationOperation::kLeakyRelu:
      return {engine::LeakyRelu{activation.leaky_relu().negative_slope()}};
    case v1::ActivationOperation::KIND_NOT_SET: break;
  }
  return {};
}

engine::OperationKind DecodeKind(const v1::Operation& operation, const std::string& where,
                                 Problems& problems) {
  switch (operation.kind_case()) {
    case v1::Operation::kInput: return DecodeInput(operation.input());
    case v1::Operation::kAffine:
      return engine::AffineOperation{operation.affine().weight(), operation.affine().bias()};
    case v1::Operation::kConv: return DecodeConv(operation.conv());
    case v1::Operation::kPool: return DecodePool(operation.pool());
    case v1::Operation::kScaleShift:
      return engine::ScaleShiftOperation{operation.scale_shift().scale(), operation.scale_shift().shift(),
                                         operation.scale_shift().axis()};
    case v1::Operation::kWeightedSum: {
      const auto& values = operation.weighted_sum().coefficients();
      return engine::WeightedSumOperation{{values.begin(), values.end()}};
    }
    case v1::Operation::kConcat: return engine::ConcatOperation{operation.concat().axis()};
    case v1::Operation::kReshape: return engine::ReshapeOperation{List(operation.reshape().shape())};
    case v1::Operation::kPermute: return engine::PermuteOperation{List(operation.permute().permutation())};
    case v1::Operation::kPad:
      return engine::PadOperation{List(operation.pad().before()), List(operation.pad().after())};
    case v1::Operation::kNeuron: return DecodeNeuron(operation.neuron(), where, problems);
    case v1::Operation::kProduct: return DecodeProduct(operation.product(), where, problems);
    case v1::Operation::kActivation: return DecodeActivation(operation.activation());
    case v1::Operation::KIND_NOT_SET: break;
  }
  return {};
}

}  // namespace

engine::OperationDefinition DecodeOperation(v1::Operation& operation, Problems& problems) {
  const std::string where = "operation " + Quote(operation.name());
  return {operation.name(), DecodeKind(operation, where, problems)};
}

engine::Synapse DecodeSynapse(const v1::Synapse& synapse, const std::string& where, Problems& problems) {
  switch (synapse.kind_case()) {
    case v1::Synapse::kLowpass: return engine::Lowpass{synapse.lowpass().tau()};
    case v1::Synapse::kAlpha: return engine::Alpha{synapse.alpha().tau()};
    case v1::Synapse::kLinearFilter: {
      const v1::LinearFilter& filter = synapse.linear_filter();
      return engine::LinearFilter{{filter.num().begin(), filter.num().end()},
                                  {filter.den().begin(), filter.den().end()},
                                  filter.discrete()};
    }
    case v1::Synapse::kTriangle: return engine::Triangle{synapse.triangle().t()};
    case v1::Synapse::KIND_NOT_SET: break;
  }
  problems.push_back(where +
                     ": synapse is present, but of no kind that this server knows; allowed: lowpass, alpha, "
                     "linear_filter, triangle");
  return {};
}

std::optional<engine::InitialVoltage> DecodeVoltage(const v1::InitialVoltage& voltage,
                                                    const std::string& where, Problems& problems) {
  switch (voltage.kind_case()) {
    case v1::InitialVoltage::kZero: return engine::ZeroVoltage{};
    case v1::InitialVoltage::kConstant: return engine::ConstantVoltage{voltage.constant()};
    case v1::InitialVoltage::kUniform: return engine::UniformVoltage{voltage.uniform().seed()};
    case v1::InitialVoltage::kTensor: return engine::TensorVoltage{voltage.tensor()};
    case v1::InitialVoltage::KIND_NOT_SET: break;
  }
  problems.push_back(
      where +
      ": is present, but of no kind that this server knows; allowed: zero, constant, uniform, tensor");
  return {};
}

}  // namespace spikeserve::rpc
