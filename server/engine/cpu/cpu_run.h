#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "server/engine/cpu/cpu_path.h"
#include "server/engine/cpu/layout/readout_weights.h"
#include "server/engine/cpu/layout/run_shape.h"
#include "server/engine/run/constants/readout_correction.h"
#include "server/engine/run/constants/run_constants.h"

namespace spikeserve::engine {

// Everything the samples of one run in exact or fast mode share. Immutable, hence thread-safe.
struct CpuRun : RunShape {
  explicit CpuRun(RunShape shape) : RunShape(std::move(shape)) {}

  // The one readout term that the vector kernels take along with a population.
  struct Fused {
    std::int64_t probe = -1;  // of the spec
    std::size_t term = 0;
  };

  const ReadoutWeights* readout_weights = nullptr;
  CpuPath path = CpuPath::kAuto;
  std::vector<LayerConstants> constants;
  // [probe of the spec]: of those that are not simple
  std::vector<std::shared_ptr<const kernels::FilterConstants>> probe_filters;
  std::vector<Fused> fused;  // [population]
  std::vector<bool> read;    // [population]: something else reads what it emits
  std::vector<bool> loads;   // [population]: an input whose values are read other than by Prepare
  ReadoutCorrection correction;

  // The same run with another specification: one that differs in the formats of inputs.
  CpuRun With(const CheckedSpec& changed) const;
  // Upper bound of what a run takes that its samples share.
  static std::int64_t Bytes(const RunShape& run);
  // Whether a layer of passes has one source alone, whose bytes or counts meet digits of the weights, so that
  // its sums become counts as soon as they are there. What a held input causes is then not computed before.
  bool IsFused(std::size_t layer) const;
  // Whether it is so for steps beside each other too, which differ in what biases add: in one number a
  // channel.
  bool IsFusedAtAnyStep(std::size_t layer) const;
  bool IsRead(std::int64_t population) const { return read[Index(population)]; }
};

// `weights` outlives the run, as does what the shape points to.
CpuRun MakeCpuRun(RunShape shape, const ReadoutWeights& weights, CpuPath path);

}  // namespace spikeserve::engine
