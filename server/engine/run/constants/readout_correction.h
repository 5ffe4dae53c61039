#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "server/engine/plan/plan.h"
#include "server/engine/run/simulation_spec.h"

namespace spikeserve::engine {

// The filters between the inputs and the probes of a network, without its weights. Immutable.
struct FilterPaths {
  struct Term {
    std::int64_t source = -1;  // in layers; -1 for an Input
    Synapse synapse;
    std::int64_t delay_steps = 0;
  };
  struct Probe {
    std::int64_t layer = 0;
    Synapse synapse;
    std::int64_t delay_steps = 0;
    bool corrected = false;    // false: a voltage or an Activation, whose mean is left as it is
    std::vector<double> bias;  // what the probe shows without any input; empty: zeros
  };
  std::vector<std::vector<Term>> layers;  // sources before targets
  std::vector<Probe> probes;              // of the definition
};

FilterPaths FindFilterPaths(const Plan& plan);

// Takes the start-up out of means: the filters on the way shrink what the inputs drive by another factor than
// the output's bias, and both by less the longer the run is. See docs/semantics.md. Immutable.
class ReadoutCorrection {
 public:
  // Corrects nothing.
  ReadoutCorrection() = default;
  // For the probes of the spec and up to its number of steps.
  ReadoutCorrection(const FilterPaths& paths, const SimulationSpec& spec);

  // `values` is the mean of probe `index` of the spec over `steps` steps, skipped ones included; replaces it
  // by what the mean would be if all filters had settled before the first step.
  void Apply(std::size_t index, std::int64_t steps, std::span<double> values) const;

 private:
  struct Factors {
    bool corrected = false;
    std::vector<double> bias;
    std::vector<double> driven, constant;  // [steps]: sums over the counted steps of the response to a step
  };
  void Run(const FilterPaths& paths, const SimulationSpec& spec);

  std::int64_t skip_ = 0;
  std::vector<Factors> probes_;
};

}  // namespace spikeserve::engine
