#pragma once

#include <cstdint>
#include <vector>

#include "server/engine/network/index.h"
#include "server/engine/plan/plan.h"
#include "server/engine/run/checked_spec.h"

namespace spikeserve::engine {

// How a run uses the layers of a plan, on every device: which are stepped, which readouts are rewritten. The
// run of each device begins with it. Immutable, hence thread-safe, but that `spec` may be replaced by one
// with another start: nothing else here depends on that.
struct LayerUse {
  // `of_plan` outlives it.
  LayerUse(const Plan& of_plan, CheckedSpec of_spec);

  const Plan* plan;
  CheckedSpec spec;
  // [probe of the spec]: its readout is taken by the rewrite of kernels/math/fold.h.
  std::vector<bool> folded;
  std::vector<bool> stepped;                // [layer]: its value is needed at every step
  std::vector<bool> observed;               // [layer]: a probe wants to see every step
  std::vector<std::int64_t> record_layers;  // [request probe]: in the plan's layers

  const Population& population(std::int64_t index) const { return plan->populations[Index(index)]; }
  const ProbePlan& probe(std::size_t index) const { return plan->probes[Index(spec->probes[index])]; }
  std::int64_t ProbeSize(std::int64_t probe) const { return plan->probes[Index(probe)].size; }
  std::int64_t RecordSize(std::size_t index) const { return plan->layers[Index(record_layers[index])].size; }
  // Whether every step of the probe is looked at, not only what it is folded into.
  bool IsStepped(std::size_t probe_index) const { return !folded[probe_index] || spec->trajectories; }
  // Whether the layer emits integer spike counts.
  bool IsSpiking(std::size_t layer) const {
    return plan->layers[layer].emits() && population(plan->layers[layer].population).spiking;
  }
};

}  // namespace spikeserve::engine
