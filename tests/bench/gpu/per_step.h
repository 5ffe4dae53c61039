#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "server/engine/plan/plan.h"
#include "server/engine/run/constants/run_constants.h"

// The design everybody else has: step by step, a float32 product and a neuron kernel per layer and step, all
// of it in one CUDA graph. Spikes and weights as float32. What the engine is compared with.
namespace spikeserve::bench {

class PerStep {
 public:
  virtual ~PerStep() = default;
  // Seconds of one run of all steps on the device.
  virtual double Seconds(int repetitions) = 0;
  // Summed outputs of the last run, [samples][outputs].
  virtual std::vector<float> Outputs() = 0;
};

// For chains of layers with one source each: what the cases are. `inputs` is [samples][size], held. Throws
// std::runtime_error where the plan is no such chain or a call fails.
std::unique_ptr<PerStep> MakePerStep(const engine::Plan& plan,
                                     const std::vector<engine::LayerConstants>& constants,
                                     const std::vector<float>& inputs, std::int64_t samples,
                                     std::int64_t steps, bool tf32);

}  // namespace spikeserve::bench
