#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "kernels/cpu/group_product.h"
#include "kernels/cpu/packed_weights.h"
#include "server/engine/cpu/cpu_path.h"
#include "server/engine/cpu/vector_weights.h"
#include "server/engine/network/index.h"
#include "server/engine/plan/plan.h"
#include "server/engine/run/constants/readout_correction.h"
#include "server/engine/run/constants/run_constants.h"
#include "server/engine/run/layers.h"

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

// Everything the samples of one exact run share. Immutable, hence thread-safe.
struct CpuRun {
  explicit CpuRun(CheckedSpec of) : spec(std::move(of)) {}

  const Plan* plan = nullptr;
  const ReadoutWeights* readout_weights = nullptr;
  CheckedSpec spec;
  std::vector<LayerConstants> constants;
  std::vector<std::shared_ptr<const kernels::FilterConstants>>
      probe_filters;         // [probe of the spec]: of those that are not simple
  std::vector<bool> folded;  // [probe of the spec]: its readout is taken by the rewrite of kernels/cpu/fold.h
  std::vector<bool> stepped;                      // [layer]: its value is needed at every step
  const VectorWeights* vector_weights = nullptr;  // null: the plain loops only
  CpuPath path = CpuPath::kAuto;
  std::vector<bool> observed;  // [layer]: a probe wants to see every step
  struct Fused {
    std::int64_t probe = -1;  // of the spec
    std::size_t term = 0;
  };
  std::vector<Fused> fused;  // [population]: the one readout term that the vector kernels take along
  std::vector<bool> read;    // [population]: something else reads what it emits
  std::vector<bool> loads;   // [population]: an input whose values are read other than by Prepare
  std::vector<std::int64_t> record_layers;  // [request probe]: in the plan's layers
  ReadoutCorrection correction;
  std::int64_t chunk = 1;  // steps per pass over the layers
  std::int64_t group = kGroupSamples;

  // The same run with another specification: one that differs in the formats of inputs.
  CpuRun With(const CheckedSpec& changed) const;
  std::int64_t RecordSize(std::size_t index) const { return plan->layers[Index(record_layers[index])].size; }
  const Population& population(std::int64_t index) const { return plan->populations[Index(index)]; }
  const ProbePlan& probe(std::size_t index) const { return plan->probes[Index(spec->probes[index])]; }
  std::int64_t ProbeSize(std::int64_t probe) const { return plan->probes[Index(probe)].size; }
  // The vector kernels compute what a held input causes through this term before the first step.
  bool IsPrepared(std::size_t layer, std::size_t term) const {
    return vector_weights != nullptr && (*vector_weights)[layer].usable &&
           !(*vector_weights)[layer].terms[term].empty() &&
           IsHeld(plan->layers[layer].terms[term].population);
  }
  bool IsSpiking(std::size_t layer) const {
    const Layer& plan_layer = plan->layers[layer];
    return plan_layer.emits() && population(plan_layer.population).spiking;
  }
  bool IsRead(std::int64_t population) const { return read[Index(population)]; }
  // A uint8 input that is not encoded: its values are integers.
  bool IsBytes(std::int64_t population) const {
    return plan->populations[Index(population)].layer < 0 && HasByteValues(spec->inputs[Index(population)]);
  }
  bool IsHeld(std::int64_t population) const { return IsHeldInput(*plan, *spec, population); }
};

// `plan`, `weights` and `vector_weights` (null: plain loops only) outlive the run.
CpuRun MakeCpuRun(const Plan& plan, const ReadoutWeights& weights, const VectorWeights* vector_weights,
                  const CheckedSpec& spec, CpuPath path);

// Upper bound of the bytes of a run of `samples` samples on `threads` threads, readings left out.
std::int64_t CpuRunBytes(const Plan& plan, const SimulationSpec& spec, std::int64_t samples,
                         std::int64_t threads);

}  // namespace spikeserve::engine
