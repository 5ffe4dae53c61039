#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/engine/network/network_definition.h"
#include "server/engine/plan/plan.h"
#include "server/engine/run/backend.h"

// The networks that the GPU benchmark times. Weights are random with a fixed seed and of a trained size.
namespace spikeserve::bench {

struct Case {
  std::string name;
  engine::NetworkDefinition definition;
  std::int64_t steps = 0;
  std::vector<std::int64_t> batches;
  engine::Mode mode = engine::Mode::kExact;
  engine::NetworkDefinition without_memory;  // the same network whose neurons integrate
};

// All of them, or those whose name contains `filter`.
std::vector<Case> MakeCases(const std::string& filter);

// What one sample costs, counted from the plan.
struct Work {
  double macs = 0;       // weights met by spikes, over all steps
  double byte_macs = 0;  // weights met by what neurons with memory have sent, once
  double held_macs = 0;  // weights met by the input, once
  double neuron_steps = 0;
  double weights = 0;  // read once per pass over the rows
};
Work CountWork(const engine::Plan& plan, std::int64_t steps);

}  // namespace spikeserve::bench
