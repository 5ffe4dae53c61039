#include "server/engine/cuda/backend.h"

#include <algorithm>
#include <utility>

#include "kernels/cuda/byte_product.h"
#include "server/engine/cuda/layout/closed_program.h"
#include "server/engine/cuda/network.h"
#include "server/engine/cuda/replicas.h"
#include "server/engine/cuda/simulation.h"
#include "server/engine/network/neuron_models.h"
#include "server/engine/plan/compile.h"
#include "server/engine/plan/estimate.h"
#include "server/engine/plan/paths.h"

namespace spikeserve::engine {
namespace {

// What digits of matrices take beyond the plan's own estimate: they are padded to 16 bytes on both sides, up
// to 16 of them.
double PaddingBytes(const Network& network) {
  constexpr double kBytesPerDigits = 4;
  const Result<Paths> paths = FindPaths(network);
  double bytes = 0;
  for (const std::vector<Path>& to : paths.ok() ? paths.value() : Paths{}) {
    for (const Path& path : to) {
      for (const Link& link : path.chain) {
        const OperationKind& kind = network.definition().operations[Index(link.operation)].kind;
        const auto* conv = std::get_if<ConvOperation>(&kind);
        const auto* affine = std::get_if<AffineOperation>(&kind);
        if (conv == nullptr && affine == nullptr) {
          continue;
        }
        const Shape& shape = network.tensor(conv != nullptr ? conv->weight : affine->weight).shape;
        const auto width = static_cast<double>(shape.front());
        const double depth = static_cast<double>(ElementCount(shape)) / width;
        bytes += kBytesPerDigits * cuda::kByteUnit * (width + depth + cuda::kByteUnit);
      }
    }
  }
  return bytes;
}

bool HasMemory(const Network& network) {
  const std::vector<OperationDefinition>& operations = network.definition().operations;
  return std::any_of(operations.begin(), operations.end(), [](const OperationDefinition& operation) {
    const auto* neuron = std::get_if<NeuronOperation>(&operation.kind);
    return neuron != nullptr && Remembers(neuron->model);
  });
}

}  // namespace

CudaBackend::CudaBackend(std::vector<std::unique_ptr<cuda::Device>> devices, std::unique_ptr<Backend> cpu)
    : cpu_(std::move(cpu)) {
  for (std::unique_ptr<cuda::Device>& device : devices) {
    cards_.push_back(std::make_unique<Card>());
    cards_.back()->device = std::move(device);
  }
}

std::string CudaBackend::device_name() const {
  std::string names;
  for (const std::unique_ptr<Card>& card : cards_) {
    names += (names.empty() ? "" : ", ") + card->device->name();
  }
  return names;
}

std::int64_t CudaBackend::memory_bytes() const {
  std::int64_t bytes = 0;
  for (const std::unique_ptr<Card>& card : cards_) {
    bytes += card->device->limits().memory_bytes;
  }
  return bytes;
}

// The plan's estimate counts at least as many bytes per weight, entry and element as go to the device.
Result<std::int64_t> CudaBackend::EstimateBytes(const Network& network, Mode mode) const {
  std::int64_t on_cpu = 0;
  if (mode == Mode::kReference || HasMemory(network)) {
    const Result<std::int64_t> bytes = cpu_->EstimateBytes(network, mode);
    if (mode == Mode::kReference || !bytes.ok()) {
      return bytes;
    }
    on_cpu = bytes.value();
  }
  const Result<std::int64_t> plan_bytes = EstimatePlanBytes(network);
  if (!plan_bytes.ok()) {
    return plan_bytes.status();
  }
  constexpr double kMost = 4611686018427387904.0;  // 2^62
  const double on_device = static_cast<double>(plan_bytes.value()) + PaddingBytes(network) +
                           static_cast<double>(network.definition().operations.size()) * 4096;
  const double bytes = static_cast<double>(plan_bytes.value()) + static_cast<double>(network.bytes()) +
                       on_device * static_cast<double>(cards_.size()) + static_cast<double>(on_cpu);
  return static_cast<std::int64_t>(std::min(bytes, kMost));
}

Result<std::unique_ptr<ResidentNetwork>> CudaBackend::Load(std::shared_ptr<const Network> network, Mode mode,
                                                           const StopCheck& stopped) const {
  return mode == Mode::kReference ? cpu_->Load(std::move(network), mode, stopped)
                                  : LoadIntegers(std::move(network), mode, stopped);
}

Result<std::unique_ptr<ResidentNetwork>> CudaBackend::LoadIntegers(std::shared_ptr<const Network> network,
                                                                   Mode mode,
                                                                   const StopCheck& stopped) const {
  Result<Plan> compiled = Compile(network, stopped, LargestWeight(mode));
  if (!compiled.ok()) {
    return compiled.status();
  }
  auto plan = std::make_shared<const Plan>(std::move(compiled).value());
  std::shared_ptr<const ResidentNetwork> cpu;
  if (HasMemory(*network)) {
    Result<std::unique_ptr<ResidentNetwork>> loaded = cpu_->Load(network, mode, stopped);
    if (!loaded.ok() || !RunsHere(*plan)) {
      return loaded;
    }
    cpu = std::move(loaded).value();
  }
  try {
    return PutOnAll(std::move(plan), std::move(cpu));
  } catch (const cuda::DeviceError& error) {
    for (const std::unique_ptr<Card>& card : cards_) {
      card->pool.Drop("");  // a second attempt finds the memory of idle workspaces free
    }
    return StatusOf(error);
  }
}

// Whether the plainest run of a network with memory has a form here: if not, none has.
bool CudaBackend::RunsHere(const Plan& plan) const {
  if (std::any_of(plan.layers.begin(), plan.layers.end(),
                  [](const Layer& layer) { return !WhyNotLayer(layer).empty(); })) {
    return false;
  }
  SimulationSpec plain;
  plain.inputs.resize(plan.network->inputs().size());
  const CudaWeights weights(plan);
  for (std::size_t p = 0; p < plan.probes.size(); ++p) {
    plain.probes = {static_cast<std::int64_t>(p)};
    const Result<CheckedSpec> spec = CheckedSpec::Create(*plan.network, plain);
    if (spec.ok() && WhyForCpu(CudaRun(plan, weights, spec.value()), cards_[0]->device->limits()).empty()) {
      return true;
    }
  }
  return false;
}

std::unique_ptr<ResidentNetwork> CudaBackend::PutOnAll(std::shared_ptr<const Plan> plan,
                                                       std::shared_ptr<const ResidentNetwork> cpu) const {
  std::vector<std::unique_ptr<CudaNetwork>> networks;
  for (const std::unique_ptr<Card>& card : cards_) {
    if (CudaWeights::CountBytes(*plan) > card->device->limits().memory_bytes / 2) {
      card->pool.Drop("");
    }
    networks.push_back(std::make_unique<CudaNetwork>(*card->device, card->pool, plan, cpu));
  }
  if (networks.size() == 1) {
    return std::move(networks.front());
  }
  return std::make_unique<CudaReplicas>(std::move(networks));
}

Status CudaBackend::Health() const {
  for (const std::unique_ptr<Card>& card : cards_) {
    if (const std::string broken = card->device->broken(); !broken.empty()) {
      return Unavailable("GPU " + card->device->name() + ": " + broken + "; restart the server");
    }
  }
  return {};
}

}  // namespace spikeserve::engine
