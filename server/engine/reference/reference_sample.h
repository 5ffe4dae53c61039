#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "server/engine/reference/reference_network.h"
#include "server/engine/reference/reference_neurons.h"
#include "server/engine/run/checked_spec.h"
#include "server/engine/run/constants/readout_correction.h"
#include "server/engine/run/constants/reference_filter.h"
#include "server/engine/run/probe_recorder.h"
#include "server/engine/samples/probe_state.h"

namespace spikeserve::engine {

// Everything the samples of one reference run share. Immutable, hence thread-safe.
struct ReferenceRun {
  const Network* network = nullptr;
  const ReferenceOperators* operators = nullptr;
  const std::vector<std::vector<std::int64_t>>* fan_out = nullptr;  // [operation][neuron]
  CheckedSpec spec;
  std::vector<std::vector<double>> voltage, gain, bias, output_scale;  // [operation][neuron]
  std::int64_t group = 1;

  ReadoutCorrection correction;

  // The same run with another specification: one that differs in the formats of inputs.
  ReferenceRun With(const CheckedSpec& changed) const;
  std::int64_t RecordSize(std::size_t index) const {
    return network->size(spec->request_probes[index].operation);
  }
  std::int64_t ProbeSize(std::int64_t probe) const { return network->size(network->probe_target(probe)); }
};

ReferenceRun MakeReferenceRun(const Network& network, const ReferenceOperators& operators,
                              const std::vector<std::vector<std::int64_t>>& fan_out, const FilterPaths& paths,
                              const CheckedSpec& spec);

// Buffers of one thread.
struct ReferenceScratch {
  explicit ReferenceScratch(const ReferenceRun& run);
  std::vector<std::vector<double>> values;  // [operation]: its output at this step
  std::vector<std::vector<double>> counts;  // [operation]: spikes at this step
  std::vector<double> product;
};

// The state of one sample of a reference run, one step at a time: inputs, operations in topological order,
// probes; a filter passes on what it held before the step. One thread at a time.
class ReferenceSample {
 public:
  ReferenceSample(const ReferenceRun& run, SampleInputs inputs);

  static void Prepare(const ReferenceRun&, std::span<ReferenceSample>, ReferenceScratch&) {}
  void Advance(const ReferenceRun& run, std::int64_t steps, ReferenceScratch& scratch);
  void Read(const ReferenceRun& run, std::size_t index, ReferenceScratch& scratch,
            std::span<double> out) const;
  const std::vector<double>& trajectory(std::size_t index) const { return probes_[index].trajectory(); }
  std::vector<double> Record(std::size_t index) const { return recorders_[index].Rows(); }
  void Feed(SampleInputs inputs);
  std::int64_t steps_done() const { return done_; }
  std::vector<LayerActivity> Activity(const ReferenceRun& run) const;
  std::int64_t spikes() const { return spikes_; }
  const Status& status() const { return status_; }

 private:
  void Step(const ReferenceRun& run, ReferenceScratch& scratch);
  void LoadInput(const ReferenceRun& run, std::size_t input, std::span<double> values) const;
  void RecordCurrents(const ReferenceRun& run, std::int64_t operation, ReferenceScratch& scratch);
  void RecordOutputs(const ReferenceRun& run, const ReferenceScratch& scratch);
  void StepCounts(const ReferenceRun& run, std::int64_t operation, ReferenceScratch& scratch);
  double MostSent(const ReferenceRun& run, std::size_t operation, std::size_t unit, double height) const;
  double ProductOfCells(const ReferenceRun& run, std::size_t operation, std::size_t unit) const;
  void SumInputs(const ReferenceRun& run, std::int64_t operation, ReferenceScratch& scratch);
  void StepNeurons(const ReferenceRun& run, std::int64_t operation, ReferenceScratch& scratch);
  void Count(const ReferenceRun& run, std::int64_t operation, std::size_t neuron, double emitted);

  SampleInputs inputs_;
  std::int64_t done_ = 0;
  std::int64_t fed_at_ = 0;  // steps done when the inputs began
  std::int64_t spikes_ = 0;
  Status status_;
  std::vector<std::vector<ReferenceNeuron>> neurons_;     // [operation][neuron]
  std::vector<std::vector<std::int64_t>> neuron_spikes_;  // [operation][neuron]
  std::vector<std::vector<ReferenceFilter>> filters_;     // [operation][slot]
  // [operation][slot][element], of those that read counts: what their sources have emitted, summed.
  std::vector<std::vector<std::vector<double>>> totals_;
  std::vector<ReferenceFilter> probe_filters_;
  std::vector<ProbeState> probes_;
  std::vector<ProbeRecorder> recorders_;  // [request probe]
};

}  // namespace spikeserve::engine
