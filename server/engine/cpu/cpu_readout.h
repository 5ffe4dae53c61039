#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/filter.h"
#include "kernels/cpu/fold.h"
#include "server/engine/cpu/cpu_run.h"
#include "server/engine/cpu/layout/cpu_scratch.h"
#include "server/engine/run/probe_recorder.h"
#include "server/engine/samples/probe_state.h"

namespace spikeserve::engine {

// What a layer holds after a step, for its probes.
struct LayerView {
  std::size_t layer = 0;
  std::span<const float> total;          // summed currents, without bias
  std::span<const float> voltage;        // of spiking neurons
  std::span<const std::int32_t> counts;  // of spiking neurons
  std::span<const float> values;         // of any other layer: its output
};

// The probes of one sample in exact or fast mode. One thread at a time.
class CpuReadout {
 public:
  explicit CpuReadout(const CpuRun& run);
  // What a readout takes, without trajectories and records, which readings count.
  static void Count(const RunShape& run, CpuArena& arena);

  // Hands a layer's step to the probes that want every step. Called for stepped layers.
  void StepLayer(const CpuRun& run, const LayerView& view, std::span<float> buffer);
  // Hands the chunk to the probes that the rewrite reads; `done` steps lay before it. A chunk does not reach
  // over the end of the skipped steps.
  void StepFolds(const CpuRun& run, std::int64_t done, std::int64_t steps, CpuScratch& scratch);

  // Says what a population in closed form has sent in all, and by the step before (only where that is read).
  void SetClosed(const CpuRun& run, std::int64_t population, std::span<const std::int32_t> sent,
                 std::span<const std::int32_t> before);
  void SetClosed(const CpuRun& run, std::int64_t population, std::span<const std::uint8_t> sent);

  // Computes what Read() takes of dense weights for samples whose steps lie in folds, at most kProductGroup
  // of them: the weights are read once, and no sum waits for the one before it.
  static void ReadTogether(const CpuRun& run, std::span<CpuReadout* const> group, std::int64_t done,
                           CpuScratch& scratch);

  // The fold of the one readout term that reads a population, if there is just one; else null.
  kernels::Fold* FusedFold(const CpuRun& run, std::int64_t population);

  // Readout of probe `index` of the spec over `done` steps.
  void Read(const CpuRun& run, std::size_t index, std::int64_t done, CpuScratch& scratch,
            std::span<double> out) const;
  const std::vector<double>& trajectory(std::size_t index) const { return probes_[index].trajectory(); }
  std::vector<double> Record(std::size_t index) const { return recorders_[index].Rows(); }
  // Begins trajectories and records anew.
  void Forget();
  // The same as one that is made anew for the run that this one was made for.
  void Restart(const CpuRun& run);

 private:
  template <typename Visit>
  void ForEachFold(const CpuRun& run, std::int64_t population, Visit visit);
  void StepRecorders(const CpuRun& run, const LayerView& view, std::span<float> buffer);
  void StepFold(const CpuRun& run, std::size_t p, std::size_t t, std::int64_t steps, CpuScratch& scratch);
  void SumTerms(const CpuRun& run, std::size_t index, std::int64_t counted, CpuScratch& scratch,
                std::span<float> total) const;
  void ReadFolds(const CpuRun& run, std::size_t index, std::int64_t done, CpuScratch& scratch,
                 std::span<double> out) const;

  std::vector<ProbeState> probes_;            // [probe of the spec]
  std::vector<kernels::FilterBank> filters_;  // [probe of the spec]: of those that are not simple
  std::vector<ProbeRecorder> recorders_;      // [request probe]
  // [probe of the spec][term], then one for the bias; or none
  std::vector<std::vector<kernels::Fold>> folds_;
  std::vector<std::vector<float>> ready_;  // [probe of the spec]: what ReadTogether has computed, or none
  std::int64_t ready_at_ = -1;             // after so many steps
};

}  // namespace spikeserve::engine
