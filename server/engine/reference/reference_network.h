#pragma once

#include <memory>
#include <vector>

#include "server/engine/plan/linear_operator.h"
#include "server/engine/plan/plan.h"
#include "server/engine/run/constants/readout_correction.h"
#include "server/engine/run/simulation.h"
#include "server/engine/samples/thread_pool.h"

namespace spikeserve::engine {

// The operations of a network as plain matrices in double, seen through each of their inputs.
// [operation][slot]; nothing for Input, Neuron and Activation operations, which pass their inputs on.
using ReferenceOperators = std::vector<std::vector<std::unique_ptr<const LinearOperator>>>;

// A network on the CPU in reference mode: float64, scalar, step by step and operation by operation, straight
// from the definition. Its results share no plan, no quantised weight and no kernel with exact mode, which is
// tested against it; only the fan-out of the statistics comes from the plan. Immutable, hence thread-safe.
class ReferenceNetwork final : public ResidentNetwork {
 public:
  // `pool` outlives the network.
  ReferenceNetwork(const Plan& plan, ThreadPool& pool);

  const Network& network() const override { return *network_; }
  std::int64_t bytes() const override { return EstimateBytes(*network_); }
  std::int64_t EstimateRunBytes(const CheckedSpec& spec, std::int64_t samples) const override;
  const std::vector<SpikingLayer>& spiking_layers() const override { return spiking_; }
  bool runs_in_one() const override { return true; }
  std::int64_t chunk_steps() const override { return ChunkSteps(network_->synapses(), 4'000'000'000); }
  Result<std::unique_ptr<Simulation>> NewSimulation(const CheckedSpec& spec,
                                                    std::span<const SampleInputs> samples) const override;

  static std::int64_t EstimateBytes(const Network& network);

 private:
  const std::shared_ptr<const Network> network_;
  ReferenceOperators operators_;
  std::vector<SpikingLayer> spiking_;
  std::vector<std::vector<std::int64_t>> fan_out_;  // [operation][neuron], of spiking Neurons
  std::vector<std::int64_t> probe_sizes_;
  const FilterPaths paths_;
  ThreadPool& pool_;
};

}  // namespace spikeserve::engine
