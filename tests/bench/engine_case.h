#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "server/engine/cpu/cpu_path.h"
#include "server/engine/run/backend.h"

namespace spikeserve::bench {

// One network on one backend, and runs of it over samples that lie in memory one after the other. Everything
// throws std::runtime_error with the engine's message where it refuses.
class EngineCase {
 public:
  EngineCase(std::shared_ptr<const engine::Network> network, engine::Mode mode, engine::CpuPath path,
             std::int64_t threads);

  // Samples of `type`, held over all steps; kept alive by the caller.
  struct Batch {
    const std::byte* data = nullptr;
    std::int64_t samples = 0;
    engine::DataType type = engine::DataType::kFloat32;
  };
  // Outputs [samples, out_size] of the first probe, as a server would answer them.
  std::vector<double> Run(const Batch& batch, std::int64_t steps) const;

  struct Activity {
    std::int64_t spikes = 0;
    std::int64_t synaptic_operations = 0;
    std::vector<std::int64_t> busiest;  // [spiking layer]: the most spikes of a neuron
  };
  // Of all samples together.
  Activity Count(const Batch& batch, std::int64_t steps) const;

 private:
  engine::Reading Read(const Batch& batch, std::int64_t steps, bool statistics) const;

  std::shared_ptr<const engine::Network> network_;
  std::unique_ptr<engine::Backend> backend_;
  std::unique_ptr<engine::ResidentNetwork> resident_;
};

}  // namespace spikeserve::bench
