#pragma once

#include <cstdint>
#include <vector>

#include "server/engine/cpu/cpu_readout.h"
#include "server/engine/cpu/cpu_run.h"
#include "server/engine/cpu/layout/cpu_scratch.h"
#include "server/engine/cpu/layout/layer_state.h"

namespace spikeserve::engine {

constexpr std::int64_t kLargestByte = 255;

// The state of one sample in exact or fast mode: what lives on between chunks. Layers are the outer loop,
// steps the inner one. One thread at a time.
class CpuSample {
 public:
  // What `inputs` point to outlives the sample.
  CpuSample(const CpuRun& run, SampleInputs inputs);
  // Upper bound of what a sample takes, without trajectories and records, which readings count.
  static std::int64_t Bytes(const RunShape& run);
  // The same sample as one that is made anew, in the memory of this one, which was of the same run.
  void Restart(const CpuRun& run, SampleInputs inputs);

  // Computes what the held inputs of the samples cause in the layers that the vector kernels run, all
  // together. Called before the first Advance with these inputs.
  static void Prepare(const CpuRun& run, std::span<CpuSample> group, CpuScratch& scratch);
  // Runs the next `steps`; does nothing once a number has left its range.
  void Advance(const CpuRun& run, std::int64_t steps, CpuScratch& scratch);
  // Computes what layers in closed form have sent by now, for who reads the samples next. All that are not
  // settled yet and still run have done as many steps.
  static void Settle(const CpuRun& run, std::span<CpuSample> group, CpuScratch& scratch);
  // Readout of probe `index` of the spec.
  void Read(const CpuRun& run, std::size_t index, CpuScratch& scratch, std::span<double> out) const {
    readout_.Read(run, index, done_, scratch, out);
  }
  const std::vector<double>& trajectory(std::size_t index) const { return readout_.trajectory(index); }
  // [rows, size] of request probe `index`.
  std::vector<double> Record(std::size_t index) const { return readout_.Record(index); }
  // Of a session: goes on with other inputs; trajectories and records begin anew.
  void Feed(SampleInputs inputs);
  std::int64_t steps_done() const { return done_; }
  // Of every spiking layer; needs SimulationSpec::statistics.
  std::vector<LayerActivity> Activity(const CpuRun& run) const;
  std::int64_t spikes() const { return spikes_ + closed_spikes_; }
  const Status& status() const { return status_; }

 private:
  void Begin(const CpuRun& run, SampleInputs inputs);
  void RunChunk(const CpuRun& run, std::int64_t steps, CpuScratch& scratch);
  void LoadInput(const CpuRun& run, std::int64_t input, std::int64_t steps, CpuScratch& scratch) const;
  bool RunVector(const CpuRun& run, std::size_t layer, std::int64_t steps, CpuScratch& scratch);
  void RunPlain(const CpuRun& run, std::size_t layer, std::int64_t steps, CpuScratch& scratch);
  bool Receive(const CpuRun& run, std::size_t layer, std::int64_t step, CpuScratch& scratch);
  bool SumCurrents(const CpuRun& run, std::size_t layer, std::int64_t step, CpuScratch& scratch);
  bool TermCurrent(const CpuRun& run, std::size_t layer, std::size_t term, std::int64_t step,
                   CpuScratch& scratch);
  bool SourceCurrent(const CpuRun& run, const Term& term, const TermConstants& constants, std::int64_t step,
                     CpuScratch& scratch, std::span<float> current) const;
  static void ReadTogether(const CpuRun& run, std::span<CpuSample> group, CpuScratch& scratch);
  static void SettleAt(const CpuRun& run, std::int64_t steps, std::span<CpuSample> group,
                       CpuScratch& scratch);
  bool NeedsSettling(const CpuRun& run) const;
  void TakeClosed(const CpuRun& run, std::size_t place, CpuScratch& scratch);
  bool RunClosed(const CpuRun& run, std::size_t layer, std::int64_t steps, CpuScratch& scratch);
  bool ReceiveClosed(const CpuRun& run, std::size_t layer, std::size_t term, std::int64_t steps,
                     CpuScratch& scratch);
  bool ReceiveTerm(const CpuRun& run, std::size_t layer, std::size_t term, std::int64_t step,
                   CpuScratch& scratch);
  void TakeCounts(const CpuRun& run, std::size_t layer, std::int64_t step, CpuScratch& scratch);
  bool SumCharges(const CpuRun& run, std::size_t layer, std::int64_t step, CpuScratch& scratch);
  bool TermCharges(const CpuRun& run, std::size_t layer, std::size_t term, std::int64_t step,
                   CpuScratch& scratch);
  bool FilteredCharges(const CpuRun& run, std::size_t layer, std::size_t term, std::int64_t step,
                       CpuScratch& scratch);
  bool SourceCharges(const CpuRun& run, std::size_t layer, std::size_t term, std::int64_t step,
                     CpuScratch& scratch);
  bool RunPasses(const CpuRun& run, std::size_t layer, std::int64_t steps, CpuScratch& scratch);
  bool PrepareHeld(const CpuRun& run, std::size_t layer, CpuScratch& scratch);
  void TakePasses(const CpuRun& run, std::size_t layer, std::int64_t steps, CpuScratch& scratch);
  void ShowPass(const CpuRun& run, std::int64_t step, CpuScratch& scratch, LayerView& view);
  bool StepMemory(const CpuRun& run, std::int64_t step, CpuScratch& scratch, LayerView& view);
  std::span<const std::int32_t> ReadBytes(const CpuRun& run, std::int64_t input, std::int64_t step,
                                          CpuScratch& scratch) const;
  bool StepKind(const CpuRun& run, std::int64_t step, CpuScratch& scratch, LayerView& view);
  bool StepNeurons(const CpuRun& run, std::int64_t step, CpuScratch& scratch, LayerView& view);
  bool StepSpiking(const CpuRun& run, std::int64_t step, CpuScratch& scratch, LayerView& view);
  void CountMagnitudes(std::span<const std::int32_t> counts, LayerState& state);
  void Fail(const CpuRun& run, std::size_t layer);

  SampleInputs inputs_;
  std::int64_t done_ = 0;
  std::int64_t fed_at_ = 0;  // steps done when the inputs began
  std::int64_t spikes_ = 0;
  std::int64_t settled_ = 0;        // the step that layers in closed form were last computed for
  std::int64_t closed_spikes_ = 0;  // theirs
  CpuMemory memory_;                // of the layers' states
  std::vector<LayerState> layers_;
  CpuReadout readout_;
  Status status_;
};

}  // namespace spikeserve::engine
