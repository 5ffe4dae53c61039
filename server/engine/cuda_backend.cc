#include "server/engine/cuda_backend.h"

#include <utility>

#include "server/engine/cuda_network.h"
#include "server/engine/cuda_simulation.h"
#include "server/engine/cuda_support.h"
#include "server/engine/paths.h"
#include "server/engine/plan.h"

#ifdef SPIKESERVE_CUDA
#include "kernels/cuda/runtime/cuda_device.h"
#endif

namespace spikeserve::engine {
namespace {

// What digits of matrices take beyond the plan's own estimate: they are padded to 16 bytes on both sides.
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
        bytes += kBytesPerDigits * cuda::kHalfUnit * (width + depth + cuda::kHalfUnit);
      }
    }
  }
  return bytes;
}

}  // namespace

CudaBackend::CudaBackend(std::unique_ptr<cuda::Device> device, std::unique_ptr<Backend> cpu)
    : device_(std::move(device)), cpu_(std::move(cpu)) {}

// The plan's estimate counts at least as many bytes per weight, entry and element as go to the device.
Result<std::int64_t> CudaBackend::EstimateBytes(const Network& network, Mode mode) const {
  if (mode == Mode::kReference) {
    return cpu_->EstimateBytes(network, mode);
  }
  const Result<std::int64_t> plan = EstimatePlanBytes(network);
  if (!plan.ok()) {
    return plan.status();
  }
  constexpr double kMost = 4611686018427387904.0;  // 2^62
  const double bytes = 2 * static_cast<double>(plan.value()) + static_cast<double>(network.bytes()) +
                       PaddingBytes(network) +
                       static_cast<double>(network.definition().operations.size()) * 4096;
  return static_cast<std::int64_t>(std::min(bytes, kMost));
}

Result<std::unique_ptr<ResidentNetwork>> CudaBackend::Load(std::shared_ptr<const Network> network, Mode mode,
                                                           const StopCheck& stopped) const {
  return mode == Mode::kReference ? cpu_->Load(std::move(network), mode, stopped)
                                  : LoadExact(std::move(network), stopped);
}

Result<std::unique_ptr<ResidentNetwork>> CudaBackend::LoadExact(std::shared_ptr<const Network> network,
                                                                const StopCheck& stopped) const {
  Result<Plan> compiled = Compile(std::move(network), stopped);
  if (!compiled.ok()) {
    return compiled.status();
  }
  if (Status status = CheckCudaSupport(compiled.value()); !status.ok()) {
    return status;
  }
  auto plan = std::make_unique<const Plan>(std::move(compiled).value());
  try {
    if (CudaWeights::CountBytes(*plan) > device_->limits().memory_bytes / 2) {
      pool_.Drop("");
    }
    return std::unique_ptr<ResidentNetwork>(std::make_unique<CudaNetwork>(*device_, pool_, std::move(plan)));
  } catch (const cuda::DeviceError& error) {
    pool_.Drop("");  // a second attempt finds the memory of idle workspaces free
    return StatusOf(error);
  }
}

Status CudaBackend::Health() const {
  const std::string broken = device_->broken();
  return broken.empty() ? Status()
                        : Unavailable("GPU " + device_->name() + ": " + broken + "; restart the server");
}

Result<std::unique_ptr<Backend>> MakeCudaBackend(std::unique_ptr<Backend> cpu) {
#ifdef SPIKESERVE_CUDA
  try {
    return std::unique_ptr<Backend>(std::make_unique<CudaBackend>(cuda::MakeCudaDevice(0), std::move(cpu)));
  } catch (const cuda::DeviceError& error) {
    return FailedPrecondition(std::string("backend cuda: no GPU can be used (") + error.what() +
                              "); use cpu or auto");
  }
#else
  (void)cpu;
  return FailedPrecondition(
      "backend cuda: this build has no CUDA kernels (configure it with the preset cuda); use cpu or auto");
#endif
}

}  // namespace spikeserve::engine
