#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/runtime/device.h"
#include "server/engine/cuda/workspace_pool.h"
#include "server/engine/run/backend.h"

namespace spikeserve::engine {

// GPUs as one device: a network lies on each of them. The modes of integers run there; reference mode, the
// oracle, on the CPU, and of networks with memory what has no form on a GPU (WhyForCpu). Thread-safe;
// outlives its networks.
class CudaBackend final : public Backend {
 public:
  // At least one device. `cpu` runs reference mode.
  CudaBackend(std::vector<std::unique_ptr<cuda::Device>> devices, std::unique_ptr<Backend> cpu);

  std::string name() const override { return "cuda"; }
  Result<std::int64_t> EstimateBytes(const Network& network, Mode mode) const override;
  Result<std::unique_ptr<ResidentNetwork>> Load(std::shared_ptr<const Network> network, Mode mode,
                                                const StopCheck& stopped) const override;
  // All of them.
  std::string device_name() const override;
  std::int64_t device_count() const override { return static_cast<std::int64_t>(cards_.size()); }
  // Of all of them.
  std::int64_t memory_bytes() const override;
  // OK while the GPU works; else what broke it. No network on it answers any more then.
  Status Health() const override;

 private:
  struct Card {
    std::unique_ptr<cuda::Device> device;
    CudaWorkspacePool pool;  // behind the device, whose memory it holds
  };

  Result<std::unique_ptr<ResidentNetwork>> LoadIntegers(std::shared_ptr<const Network> network, Mode mode,
                                                        const StopCheck& stopped) const;
  bool RunsHere(const Plan& plan) const;
  std::unique_ptr<ResidentNetwork> PutOnAll(std::shared_ptr<const Plan> plan,
                                            std::shared_ptr<const ResidentNetwork> cpu) const;

  std::vector<std::unique_ptr<Card>> cards_;
  const std::unique_ptr<const Backend> cpu_;
};

}  // namespace spikeserve::engine
