#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/cpu/group_product.h"
#include "kernels/cpu/packed_weights.h"
#include "server/engine/backend.h"
#include "server/engine/fast_plan.h"
#include "server/engine/index.h"
#include "server/engine/plan.h"
#include "server/engine/readout_correction.h"
#include "server/engine/run_constants.h"

namespace spikeserve::engine {

// Weights of a term that a linear readout reads, as floats: packed where the product is dense.
struct ReadoutTerm {
  std::vector<float> floats;
  kernels::PackedWeights<float> packed;

  std::int64_t bytes() const { return 4 * static_cast<std::int64_t>(floats.size()) + packed.bytes(); }
};
using ReadoutWeights = std::vector<std::vector<ReadoutTerm>>;  // [layer][term], empty where no readout reads

ReadoutWeights MakeReadoutWeights(const Plan& plan);

// Samples whose inputs meet the weights together, and whose state is alive at a time.
constexpr std::int64_t kGroupSamples = 24;

// Whether the population is an input that does not vary in time: what it causes is computed once per sample.
inline bool IsHeldInput(const Plan& plan, const SimulationSpec& spec, std::int64_t population) {
  return plan.populations[Index(population)].layer < 0 && !spec.inputs[Index(population)].per_step &&
         !spec.inputs[Index(population)].encoding;
}

// Everything the samples of one exact run share. Immutable, hence thread-safe.
struct ExactRun {
  const Plan* plan = nullptr;
  const ReadoutWeights* readout_weights = nullptr;
  SimulationSpec spec;
  std::vector<LayerConstants> constants;
  std::vector<std::shared_ptr<const kernels::FilterConstants>>
      probe_filters;         // [probe of the spec]: of those that are not simple
  std::vector<bool> folded;  // [probe of the spec]: its readout is taken by the rewrite of kernels/cpu/fold.h
  std::vector<bool> stepped;       // [layer]: its value is needed at every step
  const FastPlan* fast = nullptr;  // null: the plain loops only
  CpuPath path = CpuPath::kAuto;
  std::vector<bool> observed;  // [layer]: a probe wants to see every step
  struct Fused {
    std::int64_t probe = -1;  // of the spec
    std::size_t term = 0;
  };
  std::vector<Fused> fused;  // [population]: the one readout term that the fast kernels take along
  std::vector<bool> read;    // [population]: something else reads what it emits
  std::vector<bool> loads;   // [population]: an input whose values are read other than by Prepare
  std::vector<std::int64_t> record_layers;  // [request probe]: in the plan's layers
  ReadoutCorrection correction;
  std::int64_t chunk = 1;  // steps per pass over the layers
  std::int64_t group = kGroupSamples;

  // The same run with inputs of other formats.
  ExactRun WithInputs(const std::vector<InputFormat>& inputs) const;
  std::int64_t RecordSize(std::size_t index) const { return plan->layers[Index(record_layers[index])].size; }
  const Population& population(std::int64_t index) const { return plan->populations[Index(index)]; }
  const ProbePlan& probe(std::size_t index) const { return plan->probes[Index(spec.probes[index])]; }
  std::int64_t ProbeSize(std::int64_t probe) const { return plan->probes[Index(probe)].size; }
  // The fast paths compute what a held input causes through this term before the first step.
  bool IsPrepared(std::size_t layer, std::size_t term) const {
    return fast != nullptr && (*fast)[layer].usable && !(*fast)[layer].terms[term].empty() &&
           IsHeld(plan->layers[layer].terms[term].population);
  }
  bool IsSpiking(std::size_t layer) const {
    const Layer& plan_layer = plan->layers[layer];
    return plan_layer.kind == LayerKind::kNeuron && population(plan_layer.population).spiking;
  }
  bool IsRead(std::int64_t population) const { return read[Index(population)]; }
  // A uint8 input that is not encoded: its values are integers.
  bool IsBytes(std::int64_t population) const {
    return plan->populations[Index(population)].layer < 0 && HasByteValues(spec.inputs[Index(population)]);
  }
  bool IsHeld(std::int64_t population) const { return IsHeldInput(*plan, spec, population); }
};

// `plan`, `weights` and `fast` (null: plain loops only) outlive the run.
ExactRun MakeExactRun(const Plan& plan, const ReadoutWeights& weights, const FastPlan* fast,
                      const SimulationSpec& spec, CpuPath path);

// Index in Plan::layers of an operation; -1 where it is neither a Neuron nor read by a probe.
std::int64_t LayerOf(const Plan& plan, std::int64_t operation);

// INVALID_ARGUMENT for a request probe of an operation that has no layer.
Status CheckRequestProbes(const Plan& plan, const SimulationSpec& spec);

// Upper bound of the bytes of a run of `samples` samples on `threads` threads, readings left out.
std::int64_t ExactRunBytes(const Plan& plan, const SimulationSpec& spec, std::int64_t samples,
                           std::int64_t threads);

}  // namespace spikeserve::engine
