#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "server/base/status.h"
#include "server/engine/network/index.h"
#include "server/engine/run/reading.h"
#include "server/engine/run/simulation_spec.h"

// How what samples have to say becomes a reading, whatever they run on.
namespace spikeserve::engine {

// Why a sample has no answer: numbers of this layer grew too large.
Status LeftExactRange(const std::string& layer);
// The same of neurons with memory.
Status LeftMemoryRange(const std::string& layer);

// What one sample has to say at the moment. One thread at a time.
class SampleAnswers {
 public:
  virtual ~SampleAnswers() = default;
  // OUT_OF_RANGE once numbers of the sample left their range.
  virtual Status status() const = 0;
  virtual std::int64_t spikes() const = 0;
  // The steps behind its readouts.
  virtual std::int64_t steps_done() const = 0;
  // Writes the readout of probe `index` of the spec, corrected where the spec says so. A backend that
  // has no answer yet leaves `values` as they are: zeros in a new reading.
  virtual void ReadProbe(std::size_t index, std::span<double> values) const = 0;
  // [steps since the sample was fed, size]. Needs SimulationSpec::trajectories.
  virtual std::span<const double> Trajectory(std::size_t index) const = 0;
  // [rows, size] of request probe `index`.
  virtual std::vector<double> Record(std::size_t index) const = 0;
  // Of every spiking layer. Needs SimulationSpec::statistics.
  virtual std::vector<LayerActivity> Activity() const = 0;
};

// Fills in what sample `i` of a reading has to say. Of several probes with an infinite output its status
// names the last.
void ReadSample(const SimulationSpec& spec, const SampleAnswers& sample, std::size_t i, Reading& reading);

// With room for what `samples` samples have to say of the `steps` steps after step `first`. Run is that of a
// mode: it knows the sizes of probes.
template <typename Run>
Reading EmptyReading(const Run& run, std::size_t samples, std::int64_t first, std::int64_t steps) {
  const SimulationSpec& spec = *run.spec;
  Reading reading;
  reading.steps_done = first + steps;
  for (const std::int64_t probe : spec.probes) {
    const std::int64_t size = run.ProbeSize(probe);
    ProbeReading& one = reading.probes.emplace_back();
    one.size = size;
    one.values.resize(samples * Index(size));
    one.trajectory.resize(spec.trajectories ? samples * Index(size * steps) : 0);
  }
  for (std::size_t i = 0; i < spec.request_probes.size(); ++i) {
    const Recording& recording = spec.request_probes[i].recording;
    ProbeRecord& record = reading.records.emplace_back();
    record.size = run.RecordSize(i);
    record.rows = recording.Rows(recording.Kept(0, steps));
    record.values.resize(samples * Index(record.rows * record.size));
  }
  reading.steps_used.resize(spec.early_exit || spec.session ? samples : 0);
  reading.sample_status.resize(samples);
  reading.statistics.resize(spec.statistics ? samples : 0);
  reading.spikes.resize(samples);
  return reading;
}

}  // namespace spikeserve::engine
