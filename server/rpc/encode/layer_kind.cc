#include "server/rpc/encode/layer_kind.h"

#include <variant>

#include "server/base/overloaded.h"
#include "server/engine/network/neuron_models.h"

namespace spikeserve::rpc {
namespace {

void AddId(const std::string& id, std::vector<std::string>& ids) {
  if (!id.empty()) {
    ids.push_back(id);
  }
}

void AddId(const engine::Parameter& parameter, std::vector<std::string>& ids) {
  if (const auto* id = std::get_if<std::string>(&parameter)) {
    ids.push_back(*id);
  }
}

void AddIds(const engine::NeuronOperation& neuron, std::vector<std::string>& ids) {
  AddId(neuron.gain, ids);
  AddId(neuron.bias, ids);
  AddId(neuron.output_scale, ids);
  if (!neuron.initial_voltage) {
    return;
  }
  const auto* voltage = std::get_if<engine::TensorVoltage>(&*neuron.initial_voltage);
  if (voltage != nullptr) {
    ids.push_back(voltage->tensor);
  }
}

}  // namespace

std::string LayerKind(const engine::OperationKind& kind) {
  using Text = std::string;
  return std::visit(Overloaded{[](const std::monostate&) { return Text("unknown"); },
                               [](const engine::InputOperation&) { return Text("input"); },
                               [](const engine::AffineOperation&) { return Text("affine"); },
                               [](const engine::ConvOperation&) { return Text("conv"); },
                               [&kind](const engine::PoolOperation&) {
                                 return Text(engine::IsMaximum(kind) ? "pool.max" : "pool");
                               },
                               [](const engine::ScaleShiftOperation&) { return Text("scale_shift"); },
                               [](const engine::WeightedSumOperation&) { return Text("weighted_sum"); },
                               [](const engine::ConcatOperation&) { return Text("concat"); },
                               [](const engine::ReshapeOperation&) { return Text("reshape"); },
                               [](const engine::PermuteOperation&) { return Text("permute"); },
                               [](const engine::PadOperation&) { return Text("pad"); },
                               [](const engine::NeuronOperation& neuron) {
                                 return "neuron." + std::string(engine::NameOf(neuron.model));
                               },
                               [](const engine::ActivationOperation&) { return Text("activation"); },
                               [](const engine::ProductOperation&) { return Text("product"); }},
                    kind);
}

std::vector<std::string> TensorsOf(const engine::OperationKind& kind) {
  std::vector<std::string> ids;
  if (const auto* affine = std::get_if<engine::AffineOperation>(&kind)) {
    AddId(affine->weight, ids);
    AddId(affine->bias, ids);
  } else if (const auto* conv = std::get_if<engine::ConvOperation>(&kind)) {
    AddId(conv->weight, ids);
    AddId(conv->bias, ids);
  } else if (const auto* scale = std::get_if<engine::ScaleShiftOperation>(&kind)) {
    AddId(scale->scale, ids);
    AddId(scale->shift, ids);
  } else if (const auto* neuron = std::get_if<engine::NeuronOperation>(&kind)) {
    AddIds(*neuron, ids);
  } else if (const auto* product = std::get_if<engine::ProductOperation>(&kind)) {
    AddId(product->output_scale, ids);
  }
  return ids;
}

}  // namespace spikeserve::rpc
