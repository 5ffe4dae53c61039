#pragma once

#include <cstdint>

#include "server/engine/network/index.h"
#include "server/engine/plan/plan.h"
#include "server/engine/run/simulation_spec.h"

// What a run makes of the layers and inputs of a plan, on every device.
namespace spikeserve::engine {

// Index in Plan::layers of an operation; -1 where it is neither a Neuron nor read by a probe.
std::int64_t LayerOf(const Plan& plan, std::int64_t operation);

// Whether the population is an input that does not vary in time: what it causes is computed once per sample.
inline bool IsHeldInput(const Plan& plan, const SimulationSpec& spec, std::int64_t population) {
  return plan.populations[Index(population)].layer < 0 && !spec.inputs[Index(population)].per_step &&
         !spec.inputs[Index(population)].encoding;
}

// Whether the probe's readout is taken by the rewrite of kernels/math/fold.h, which knows plain low-passes
// alone.
bool IsFolded(const Plan& plan, const ProbePlan& probe);

// Bytes of the constants of every layer (run_constants.h).
std::int64_t ConstantBytes(const Plan& plan);

}  // namespace spikeserve::engine
