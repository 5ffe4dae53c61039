#pragma once

#include <memory>
#include <vector>

#include "server/engine/cpu/cpu_run.h"
#include "server/engine/cpu/cpu_sample.h"
#include "server/engine/run/backend.h"
#include "server/engine/run/simulation.h"
#include "server/engine/samples/thread_pool.h"
#include "server/engine/samples/workspace.h"

namespace spikeserve::engine {

// A network on the CPU in exact or fast mode: 22-bit or 16-bit integer weights, float32 neurons. Immutable,
// hence thread-safe.
class CpuNetwork final : public ResidentNetwork {
 public:
  // `pool` and `kept` outlive the network.
  CpuNetwork(Plan plan, CpuPath path, ThreadPool& pool, KeptBytes& kept);

  const Network& network() const override { return *plan_.network; }
  std::int64_t bytes() const override;
  std::int64_t EstimateRunBytes(const CheckedSpec& spec, std::int64_t samples) const override;
  const std::vector<SpikingLayer>& spiking_layers() const override { return plan_.spiking; }
  bool runs_in_one() const override { return true; }
  std::int64_t chunk_steps() const override { return ChunkSteps(plan_.network->synapses(), kSynapsesAtOnce); }
  Result<std::unique_ptr<Simulation>> NewSimulation(const CheckedSpec& spec,
                                                    std::span<const SampleInputs> samples) const override;

 private:
  static constexpr std::int64_t kSynapsesAtOnce = 12'000'000'000;  // times steps

  // Steps of a sample between two looks at whether to stop: at least chunk_steps(), more of small networks.
  std::int64_t piece_steps() const;
  RunShape ShapeOf(const CheckedSpec& spec) const;
  // Upper bound of the bytes of a run of `samples` samples on `threads` threads, readings left out.
  std::int64_t ScratchBytes(const CheckedSpec& spec) const;  // of one thread
  std::int64_t RunBytes(const CheckedSpec& spec, std::int64_t samples, std::int64_t threads) const;

  const Plan plan_;
  const ReadoutWeights readout_weights_;
  const VectorWeights vector_weights_;
  const CpuPath path_;
  std::vector<std::int64_t> probe_sizes_;
  ThreadPool& pool_;
  mutable WorkspaceCache<Workspace<CpuRun, CpuSample, CpuScratch>> spaces_;
};

}  // namespace spikeserve::engine
