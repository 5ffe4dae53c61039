#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/index.h"
#include "server/engine/network.h"
#include "server/engine/simulation.h"
#include "server/engine/thread_pool.h"

namespace spikeserve::engine {

// What a run with this spec needs to be checked for before a simulation is made: numbers of inputs, steps,
// probes.
Status CheckSpec(const SimulationSpec& spec, std::int64_t inputs, std::int64_t probes,
                 std::span<const SampleInputs> samples);

// The same for Simulation::Feed.
Status CheckFeed(const SimulationSpec& spec, const std::vector<InputFormat>& inputs,
                 std::span<const SampleInputs> samples, std::size_t count);

// The largest value minus the second largest; +infinity with one value.
double Margin(std::span<const double> values);

// Upper bound of the bytes of the readings of `samples` samples, as the engine and its caller hold them.
std::int64_t ReadingBytes(const SimulationSpec& spec, const std::vector<std::int64_t>& probe_sizes,
                          std::int64_t spiking_layers, std::int64_t samples);

// The same for the request probes, their state included.
std::int64_t RecordBytes(const Network& network, const SimulationSpec& spec, std::int64_t samples);

// A simulation of independent samples, each computed by one thread from start to end of an Advance, so that a
// sample's numbers depend neither on its neighbours nor on the number of threads. Run, Sample and Scratch are
// those of one mode. One thread at a time calls it.
template <typename Run, typename Sample, typename Scratch>
class SampleSimulation final : public Simulation {
 public:
  // `pool` outlives the simulation.
  SampleSimulation(Run run, std::span<const SampleInputs> inputs, ThreadPool& pool)
      : run_(std::move(run)),
        pool_(pool),
        scratch_(Index(pool.threads())),
        stopped_(inputs.size()),
        fed_(!run_.spec.session) {
    samples_.reserve(inputs.size());
    for (const SampleInputs& sample : inputs) {
      samples_.emplace_back(run_, sample);
    }
  }

  Status Advance(std::int64_t steps, const StopCheck& stopped) override {
    const std::int64_t left = run_.spec.settings.steps - done_;
    if (steps < 1 || steps > left) {
      return InvalidArgument("steps: got " + std::to_string(steps) + ", " + std::to_string(left) + " remain");
    }
    if (!fed_) {
      return {StatusCode::kFailedPrecondition, "a sample was reset and has no inputs yet"};
    }
    const bool prepare = std::exchange(prepare_, false);
    std::atomic<bool> ended = false;
    ForEachGroup([&](std::span<Sample> group, Scratch& scratch) {
      if (prepare && !ended) {
        Sample::Prepare(run_, group, scratch);
      }
      for (Sample& sample : group) {
        if (ended || (stopped && stopped())) {
          ended = true;
          return;
        }
        if (run_.spec.early_exit) {
          AdvanceUntilClear(sample, done_ + steps, scratch);
        } else {
          sample.Advance(run_, steps, scratch);
        }
      }
    });
    if (ended) {
      return {StatusCode::kCancelled, "stopped between two samples"};
    }
    done_ += steps;
    return {};
  }

  bool finished() const override {
    return run_.spec.early_exit &&
           std::all_of(stopped_.begin(), stopped_.end(), [](char stopped) { return stopped != 0; });
  }

  Status Feed(const std::vector<InputFormat>& inputs, std::span<const SampleInputs> samples) override {
    if (Status status = CheckFeed(run_.spec, inputs, samples, samples_.size()); !status.ok()) {
      return status;
    }
    if (inputs != run_.spec.inputs) {
      run_ = run_.WithInputs(inputs);
      std::fill(scratch_.begin(), scratch_.end(), nullptr);
    }
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      samples_[i].Feed(samples[i]);
    }
    fed_at_ = done_;
    fed_ = true;
    prepare_ = true;
    return {};
  }

  Status Reset(std::span<const std::int64_t> samples) override {
    for (const std::int64_t index : samples) {
      samples_[Index(index)] = Sample(run_, SampleInputs{});
    }
    fed_ = fed_ && samples.empty();
    return {};
  }

  Result<Reading> Read() override {
    Reading reading;
    reading.steps_done = done_;
    for (const std::int64_t probe : run_.spec.probes) {
      const std::int64_t size = run_.ProbeSize(probe);
      ProbeReading& one = reading.probes.emplace_back();
      one.size = size;
      one.values.resize(samples_.size() * Index(size));
      one.trajectory.resize(run_.spec.trajectories ? samples_.size() * Index(size * (done_ - fed_at_)) : 0);
    }
    for (std::size_t i = 0; i < run_.spec.request_probes.size(); ++i) {
      const Recording& recording = run_.spec.request_probes[i].recording;
      ProbeRecord& record = reading.records.emplace_back();
      record.size = run_.RecordSize(i);
      record.rows = recording.Rows(recording.Kept(0, done_ - fed_at_));
      record.values.resize(samples_.size() * Index(record.rows * record.size));
    }
    if (run_.spec.early_exit || run_.spec.session) {
      for (const Sample& sample : samples_) {
        reading.steps_used.push_back(sample.steps_done());
      }
    }
    reading.sample_status.resize(samples_.size());
    reading.statistics.resize(run_.spec.statistics ? samples_.size() : 0);
    ForEachSample([&](std::size_t i, Scratch& scratch) { ReadSample(i, scratch, reading); });
    for (const Sample& sample : samples_) {
      reading.spikes.push_back(sample.spikes());
    }
    return reading;
  }

 private:
  // The next step after `done` at which the answer is looked at.
  static std::int64_t NextCheck(const EarlyExit& exit, std::int64_t done) {
    const std::int64_t beyond = done - exit.min_steps;
    return beyond < 0 ? exit.min_steps : done + exit.check_every - beyond % exit.check_every;
  }

  // Up to step `end`, or to the check at which the sample's answer is clear.
  void AdvanceUntilClear(Sample& sample, std::int64_t end, Scratch& scratch) {
    const EarlyExit& exit = *run_.spec.early_exit;
    char& stopped = stopped_[Index(&sample - samples_.data())];
    std::vector<double> values(Index(run_.ProbeSize(run_.spec.probes[Index(exit.probe)])));
    while (stopped == 0 && sample.steps_done() < end) {
      const std::int64_t check = NextCheck(exit, sample.steps_done());
      sample.Advance(run_, std::min(check, end) - sample.steps_done(), scratch);
      if (!sample.status().ok()) {
        stopped = 1;
      } else if (sample.steps_done() == check) {
        sample.Read(run_, Index(exit.probe), scratch, values);
        run_.correction.Apply(Index(exit.probe), sample.steps_done(), values);
        stopped = Margin(values) >= exit.margin ? 1 : 0;
      }
    }
  }

  Scratch& ScratchOf(std::int64_t thread) {
    std::unique_ptr<Scratch>& scratch = scratch_[Index(thread)];
    if (!scratch) {
      scratch = std::make_unique<Scratch>(run_);
    }
    return *scratch;
  }

  // Groups as large as the run likes them, but no thread without work. Where there are fewer samples than
  // threads, one after the other, and the threads share the work inside a sample.
  template <typename Body>
  void ForEachGroup(Body body) {
    const auto samples = static_cast<std::int64_t>(samples_.size());
    const std::int64_t size = std::clamp<std::int64_t>(samples / pool_.threads(), 1, run_.group);
    const auto one = [&](std::int64_t index, Scratch& scratch) {
      const std::int64_t first = index * size;
      body(std::span(samples_).subspan(Index(first), Index(std::min(size, samples - first))), scratch);
    };
    const bool inside = samples < pool_.threads();
    for (std::int64_t index = 0; inside && index < samples; ++index) {
      if constexpr (requires(Scratch scratch) { scratch.pool; }) {
        ScratchOf(0).pool = &pool_;
      }
      one(index, ScratchOf(0));
    }
    if (!inside) {
      pool_.For((samples + size - 1) / size,
                [&](std::int64_t index, std::int64_t thread) { one(index, ScratchOf(thread)); });
    }
  }

  template <typename Body>
  void ForEachSample(Body body) {
    pool_.For(static_cast<std::int64_t>(samples_.size()),
              [&](std::int64_t index, std::int64_t thread) { body(Index(index), ScratchOf(thread)); });
  }

  void ReadSample(std::size_t i, Scratch& scratch, Reading& reading) const {
    const Sample& sample = samples_[i];
    reading.sample_status[i] = sample.status();
    for (std::size_t p = 0; p < reading.probes.size(); ++p) {
      ProbeReading& probe = reading.probes[p];
      const std::span<double> values =
          std::span(probe.values).subspan(i * Index(probe.size), Index(probe.size));
      sample.Read(run_, p, scratch, values);
      run_.correction.Apply(p, sample.steps_done(), values);
      const bool finite =
          std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
      if (!finite && sample.status().ok()) {
        reading.sample_status[i] =
            OutOfRange("probe " + std::to_string(run_.spec.probes[p]) +
                       ": an output is infinite or not a number; lower the inputs or gains");
      }
      if (run_.spec.trajectories && sample.status().ok()) {
        std::copy(sample.trajectory(p).begin(), sample.trajectory(p).end(),
                  probe.trajectory.begin() + static_cast<std::ptrdiff_t>(i) * probe.size * (done_ - fed_at_));
      }
    }
    ReadRecords(i, reading);
    if (run_.spec.statistics) {
      reading.statistics[i] = sample.Activity(run_);
    }
  }

  void ReadRecords(std::size_t i, Reading& reading) const {
    for (std::size_t r = 0; r < reading.records.size() && samples_[i].status().ok(); ++r) {
      ProbeRecord& record = reading.records[r];
      const std::vector<double> rows = samples_[i].Record(r);
      const auto stride = static_cast<std::ptrdiff_t>(record.rows * record.size);
      const auto count = std::min(static_cast<std::ptrdiff_t>(rows.size()), stride);
      std::copy(rows.begin(), rows.begin() + count,
                record.values.begin() + static_cast<std::ptrdiff_t>(i) * stride);
    }
  }

  Run run_;
  ThreadPool& pool_;
  std::vector<std::unique_ptr<Scratch>> scratch_;  // [thread], made when first needed
  std::vector<Sample> samples_;
  std::vector<char> stopped_;  // [sample]: by early exit
  std::int64_t done_ = 0;
  std::int64_t fed_at_ = 0;  // steps done when the inputs began
  bool fed_;                 // every sample has inputs
  bool prepare_ = true;      // the inputs are new
};

}  // namespace spikeserve::engine
