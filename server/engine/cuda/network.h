#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "server/engine/cuda/workspace_pool.h"
#include "server/engine/run/simulation.h"

namespace spikeserve::engine {

// A network on a GPU in a mode of integers. Immutable, hence thread-safe.
class CudaNetwork final : public ResidentNetwork {
 public:
  // Uploads the weights. Throws cuda::DeviceError. `device` and `pool` outlive the network. `cpu` is the same
  // network there, for runs that have no form on a GPU (WhyForCpu); null where all have one.
  CudaNetwork(cuda::Device& device, CudaWorkspacePool& pool, std::shared_ptr<const Plan> plan,
              std::shared_ptr<const ResidentNetwork> cpu);
  ~CudaNetwork() override;

  const Network& network() const override { return *plan_->network; }
  std::int64_t bytes() const override;
  std::int64_t EstimateRunBytes(const CheckedSpec& spec, std::int64_t samples) const override;
  const std::vector<SpikingLayer>& spiking_layers() const override { return plan_->spiking; }
  Result<std::unique_ptr<Simulation>> NewSimulation(const CheckedSpec& spec,
                                                    std::span<const SampleInputs> samples) const override;
  // Steps that an Advance takes at a time, so that the next chunk is on its way while one runs.
  std::int64_t chunk_steps() const override {
    return cpu_ == nullptr ? kMostCudaChunkSteps : std::min(kMostCudaChunkSteps, cpu_->chunk_steps());
  }
  // Bytes of the weights on the device alone.
  std::int64_t device_bytes() const { return weights_.bytes(); }

 private:
  bool IsForCpu(const CheckedSpec& spec) const;
  Result<CudaLaunchShape> ShapeLaunch(const CudaRun& run, std::int64_t samples) const;
  std::unique_ptr<CudaWorkspace> MakeWorkspace(const CheckedSpec& spec, const CudaLaunchShape& launch) const;
  std::int64_t EstimateBatchBytes(const CheckedSpec& spec, std::int64_t samples) const;
  std::int64_t EstimateSessionBytes(const CheckedSpec& spec, std::int64_t samples) const;
  std::string KeyOf(const SimulationSpec& spec, std::int64_t padded) const;
  Result<std::unique_ptr<CudaWorkspace>> TakeWorkspace(const CheckedSpec& spec, std::int64_t samples) const;

  cuda::Device& device_;
  CudaWorkspacePool& pool_;
  const std::shared_ptr<const Plan> plan_;
  const CudaWeights weights_;
  const std::shared_ptr<const ResidentNetwork> cpu_;
  const std::string key_;  // of this network's workspaces
  std::vector<std::int64_t> probe_sizes_;
};

}  // namespace spikeserve::engine
