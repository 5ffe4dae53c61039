#include "server/engine/cuda_support.h"

#include <optional>
#include <string>

#include "server/engine/index.h"
#include "server/engine/neuron_models.h"
#include "server/engine/synapse_filter.h"

namespace spikeserve::engine {
namespace {

using cuda::ScanKind;

// Nothing for a neuron type without a kernel.
std::optional<ScanKind> KindOf(const NeuronModel& model) {
  if (std::holds_alternative<SpikingRectifiedLinear>(model)) {
    return ScanKind::kSpikingRectifiedLinear;
  }
  if (std::holds_alternative<IntegrateAndFire>(model) && IsPlainIntegrator(model)) {
    return ScanKind::kIntegrateAndFire;
  }
  if (std::holds_alternative<Lif>(model)) {
    return ScanKind::kLif;
  }
  if (std::holds_alternative<RectifiedLinear>(model)) {
    return ScanKind::kRectifiedLinear;
  }
  return std::nullopt;
}

bool IsSupported(const ActivationOperation& activation) {
  return std::holds_alternative<Softmax>(activation.kind) ||
         std::holds_alternative<LeakyRelu>(activation.kind);
}

Status Refusal(const std::string& where, const std::string& what) {
  return {StatusCode::kUnimplemented, where + ": the CUDA backend has no kernel for its " + what +
                                          "; serve this network with --backend cpu"};
}

}  // namespace

Status CheckCudaSupport(const Plan& plan) {
  for (const Layer& layer : plan.layers) {
    const OperationDefinition& operation = plan.network->definition().operations[Index(layer.operation)];
    const std::string where = "layer '" + operation.name + "'";
    if (layer.kind == LayerKind::kNeuron && !KindOf(layer.model)) {
      return Refusal(where, "neuron type");
    }
    if (layer.kind == LayerKind::kActivation && !IsSupported(std::get<ActivationOperation>(operation.kind))) {
      return Refusal(where, "activation");
    }
    for (const Term& term : layer.terms) {
      if (!IsSimple(term.synapse, term.delay_steps)) {
        return Refusal(where, "synapse or delay");
      }
    }
  }
  for (std::size_t i = 0; i < plan.probes.size(); ++i) {
    if (!IsSimple(plan.probes[i].synapse, plan.probes[i].delay_steps)) {
      return Refusal("probe '" + plan.network->definition().probes[i].name + "'", "synapse or delay");
    }
  }
  return {};
}

Status CheckCudaSupport(const SimulationSpec& spec) {
  const auto refuse = [](const std::string& what) {
    return Status(StatusCode::kUnimplemented,
                  what + ": the CUDA backend does not do this; serve the network with --backend cpu");
  };
  for (const InputFormat& format : spec.inputs) {
    if (format.encoding) {
      return refuse("encodings");
    }
  }
  if (spec.early_exit) {
    return refuse("early_exit");
  }
  if (!spec.request_probes.empty()) {
    return refuse("request_probes");
  }
  if (spec.session) {
    return refuse("sessions");
  }
  if (spec.settings.readout.kind == ReadoutKind::kCorrectedMean) {
    return refuse("readout.kind READOUT_KIND_CORRECTED_MEAN");
  }
  return {};
}

ScanKind CudaKindOf(const Layer& layer) {
  return layer.kind == LayerKind::kNeuron ? KindOf(layer.model).value_or(ScanKind::kSum) : ScanKind::kLinear;
}

}  // namespace spikeserve::engine
