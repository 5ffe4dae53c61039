#pragma once

#include <cstdint>
#include <vector>

#include "server/engine/exact_readout.h"
#include "server/engine/exact_run.h"
#include "server/engine/exact_scratch.h"
#include "server/engine/exact_state.h"

namespace spikeserve::engine {

// The state of one sample of an exact run: what lives on between chunks. Layers are the outer loop, steps the
// inner one. One thread at a time.
class ExactSample {
 public:
  // What `inputs` point to outlives the sample.
  ExactSample(const ExactRun& run, SampleInputs inputs);
  // The same sample as one that is made anew, in the memory of this one, which was of the same run.
  void Restart(const ExactRun& run, SampleInputs inputs);

  // Computes what the held inputs of the samples cause in the layers that the fast kernels run, all together.
  // Called before the first Advance with these inputs.
  static void Prepare(const ExactRun& run, std::span<ExactSample> group, ExactScratch& scratch);
  // Runs the next `steps`; does nothing once a number has left its range.
  void Advance(const ExactRun& run, std::int64_t steps, ExactScratch& scratch);
  // Readout of probe `index` of the spec.
  void Read(const ExactRun& run, std::size_t index, ExactScratch& scratch, std::span<double> out) const {
    readout_.Read(run, index, done_, scratch, out);
  }
  const std::vector<double>& trajectory(std::size_t index) const { return readout_.trajectory(index); }
  // Of every spiking layer; needs SimulationSpec::statistics.
  // [rows, size] of request probe `index`.
  std::vector<double> Record(std::size_t index) const { return readout_.Record(index); }
  // Of a session: goes on with other inputs; trajectories and records begin anew.
  void Feed(SampleInputs inputs);
  std::int64_t steps_done() const { return done_; }
  std::vector<LayerActivity> Activity(const ExactRun& run) const;
  std::int64_t spikes() const { return spikes_; }
  const Status& status() const { return status_; }

 private:
  void Begin(const ExactRun& run, SampleInputs inputs);
  void RunChunk(const ExactRun& run, std::int64_t steps, ExactScratch& scratch);
  void LoadInput(const ExactRun& run, std::int64_t input, std::int64_t steps, ExactScratch& scratch) const;
  bool RunFast(const ExactRun& run, std::size_t layer, std::int64_t steps, ExactScratch& scratch);
  void RunPlain(const ExactRun& run, std::size_t layer, std::int64_t steps, ExactScratch& scratch);
  bool SumCurrents(const ExactRun& run, std::size_t layer, std::int64_t step, ExactScratch& scratch);
  bool TermCurrent(const ExactRun& run, std::size_t layer, std::size_t term, std::int64_t step,
                   ExactScratch& scratch);
  bool SourceCurrent(const ExactRun& run, const Term& term, const TermConstants& constants, std::int64_t step,
                     ExactScratch& scratch, std::span<float> current) const;
  bool StepNeurons(const ExactRun& run, std::size_t layer, std::int64_t step, ExactScratch& scratch);
  void CountMagnitudes(std::span<const std::int32_t> counts, LayerState& state);
  void Fail(const ExactRun& run, std::size_t layer);

  SampleInputs inputs_;
  std::int64_t done_ = 0;
  std::int64_t fed_at_ = 0;  // steps done when the inputs began
  std::int64_t spikes_ = 0;
  std::vector<LayerState> layers_;
  ExactReadout readout_;
  Status status_;
};

}  // namespace spikeserve::engine
