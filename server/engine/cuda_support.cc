#include "server/engine/cuda_support.h"

#include <optional>
#include <string>
#include <type_traits>

#include "server/engine/index.h"

namespace spikeserve::engine {
namespace {

using cuda::ScanKind;

// Nothing for a neuron type without a kernel.
std::optional<ScanKind> KindOf(const NeuronModel& model) {
  if (std::holds_alternative<SpikingRectifiedLinear>(model)) {
    return ScanKind::kSpikingRectifiedLinear;
  }
  if (std::holds_alternative<IntegrateAndFire>(model)) {
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

// A new kind of synapse must get its kernel before this compiles again.
static_assert(std::is_same_v<Synapse, std::optional<Lowpass>>);

Status Refusal(const Plan& plan, const Layer& layer, const std::string& what) {
  return {StatusCode::kUnimplemented, "layer '" +
                                          plan.network->definition().operations[Index(layer.operation)].name +
                                          "': the CUDA backend has no kernel for its " + what +
                                          "; serve this network with --backend cpu"};
}

}  // namespace

Status CheckCudaSupport(const Plan& plan) {
  for (const Layer& layer : plan.layers) {
    if (layer.kind == LayerKind::kNeuron && !KindOf(layer.model)) {
      return Refusal(plan, layer, "neuron type");
    }
    const OperationKind& kind = plan.network->definition().operations[Index(layer.operation)].kind;
    if (layer.kind == LayerKind::kActivation && !IsSupported(std::get<ActivationOperation>(kind))) {
      return Refusal(plan, layer, "activation");
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
