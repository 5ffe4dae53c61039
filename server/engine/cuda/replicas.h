#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "server/engine/cuda/network.h"

namespace spikeserve::engine {

// A network on several GPUs: each has all weights, and a batch runs on the one with the fewest batches. Which
// one that is does not show in the answers. Thread-safe.
class CudaReplicas final : public ResidentNetwork {
 public:
  // At least one; all of the same plan.
  explicit CudaReplicas(std::vector<std::unique_ptr<CudaNetwork>> networks);

  const Network& network() const override { return networks_.front()->network(); }
  std::int64_t bytes() const override;
  std::int64_t EstimateRunBytes(const CheckedSpec& spec, std::int64_t samples) const override {
    return networks_.front()->EstimateRunBytes(spec, samples);
  }
  const std::vector<SpikingLayer>& spiking_layers() const override {
    return networks_.front()->spiking_layers();
  }
  std::int64_t chunk_steps() const override { return networks_.front()->chunk_steps(); }
  Result<std::unique_ptr<Simulation>> NewSimulation(const CheckedSpec& spec,
                                                    std::span<const SampleInputs> samples) const override;

  // Batches that run on each at the moment.
  std::vector<std::int64_t> running() const;

 private:
  std::size_t LeastBusy() const;

  const std::vector<std::unique_ptr<CudaNetwork>> networks_;
  mutable std::vector<std::atomic<std::int64_t>> running_;
};

}  // namespace spikeserve::engine
