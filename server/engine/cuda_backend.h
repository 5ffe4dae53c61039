#pragma once

#include <memory>
#include <string>

#include "kernels/cuda/runtime/device.h"
#include "server/engine/backend.h"
#include "server/engine/cuda_workspace.h"

namespace spikeserve::engine {

// A GPU as a device. Exact mode runs on it; reference mode, the oracle, on the CPU. Networks that no kernel
// exists for are refused (cuda_support.h). Thread-safe; outlives its networks.
class CudaBackend final : public Backend {
 public:
  // `cpu` runs reference mode.
  CudaBackend(std::unique_ptr<cuda::Device> device, std::unique_ptr<Backend> cpu);

  std::string name() const override { return "cuda"; }
  Result<std::int64_t> EstimateBytes(const Network& network, Mode mode) const override;
  Result<std::unique_ptr<ResidentNetwork>> Load(std::shared_ptr<const Network> network, Mode mode,
                                                const StopCheck& stopped) const override;
  // The GPU as its maker calls it.
  std::string device_name() const { return device_->name(); }
  // OK while the GPU works; else what broke it. No network on it answers any more then.
  Status Health() const override;

 private:
  Result<std::unique_ptr<ResidentNetwork>> LoadExact(std::shared_ptr<const Network> network,
                                                     const StopCheck& stopped) const;

  const std::unique_ptr<cuda::Device> device_;
  mutable CudaWorkspacePool pool_;  // behind the device, whose memory it holds
  const std::unique_ptr<const Backend> cpu_;
};

// FAILED_PRECONDITION, in one line, where this build or this machine has no GPU that works.
Result<std::unique_ptr<Backend>> MakeCudaBackend(std::unique_ptr<Backend> cpu);

}  // namespace spikeserve::engine
