#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/engine/network/index.h"
#include "server/engine/run/early_exit.h"
#include "server/engine/run/simulation.h"
#include "server/engine/samples/thread_pool.h"
#include "server/engine/samples/workspace.h"

namespace spikeserve::engine {

// Kernels take a few samples at once: groups begin at multiples of this.
constexpr std::int64_t kGroupUnit = 4;

// Where a simulation leaves its workspace for the next one; nowhere by default.
template <typename Space>
struct SpaceKeeper {
  WorkspaceCache<Space>* cache = nullptr;
  std::int64_t bytes = 0;  // upper bound of what is kept
};

// A simulation of independent samples, each computed by one thread from start to end of an Advance, so that a
// sample's numbers depend neither on its neighbours nor on the number of threads. Run, Sample and Scratch are
// those of one mode. With in_one, the samples of a group are made, run and read one group after the other.
// One thread at a time calls it.
template <typename Space>
class SampleSimulation final : public Simulation {
 public:
  using Run = typename Space::Run;
  using Sample = typename Space::Sample;
  using Scratch = typename Space::Scratch;

  // `keeper` and `pool` outlive the simulation. `piece` steps of a sample pass between two looks at whether
  // the work is to stop.
  SampleSimulation(std::unique_ptr<Space> space, SpaceKeeper<Space> keeper,
                   std::span<const SampleInputs> inputs, ThreadPool& pool, std::int64_t piece)
      : space_(std::move(space)),
        keeper_(keeper),
        run_(space_->run),
        pool_(pool),
        piece_(piece),
        count_(inputs.size()),
        stopped_(inputs.size()),
        fed_(!run_.spec->session) {
    if (run_.spec->in_one) {
      inputs_.assign(inputs.begin(), inputs.end());
      reading_ = EmptyReading(run_.spec->settings.steps);
      return;
    }
    samples_.reserve(inputs.size());
    for (const SampleInputs& sample : inputs) {
      samples_.emplace_back(run_, sample);
    }
  }

  ~SampleSimulation() override {
    // What samples recorded of every step would stay with them.
    const bool recorded = run_.spec->trajectories || !run_.spec->request_probes.empty();
    if (keeper_.cache != nullptr && run_.spec->in_one && !recorded) {
      keeper_.cache->Put(std::move(space_), keeper_.bytes);
    }
  }

  Status Advance(std::int64_t steps, const StopCheck& stopped) override {
    const std::int64_t left = run_.spec->settings.steps - done_;
    if (steps < 1 || steps > left || (run_.spec->in_one && steps != left)) {
      return InvalidArgument("steps: got " + std::to_string(steps) + ", " + std::to_string(left) + " remain" +
                             (run_.spec->in_one ? " and are to be run in one" : ""));
    }
    if (!fed_) {
      return {StatusCode::kFailedPrecondition, "a sample was reset and has no inputs yet"};
    }
    const bool prepare = std::exchange(prepare_, false);
    std::atomic<bool> ended = false;
    const auto advance = [&](std::int64_t first, std::int64_t count, std::int64_t thread) {
      const std::span<Sample> group = run_.spec->in_one
                                          ? MakeGroup(first, count, thread)
                                          : std::span(samples_).subspan(Index(first), Index(count));
      if (prepare && !ended) {
        Sample::Prepare(run_, group, ScratchOf(thread));
      }
      for (std::int64_t i = 0; i < count; ++i) {
        if (!AdvanceSample(group[Index(i)], first + i, steps, ScratchOf(thread), stopped, ended)) {
          return;
        }
        if (run_.spec->in_one) {
          ReadSample(group[Index(i)], Index(first + i), ScratchOf(thread), reading_);
        }
      }
    };
    ForEachGroup(advance);
    if (ended) {
      return {StatusCode::kCancelled, "stopped between two pieces of a sample's run"};
    }
    done_ += steps;
    return {};
  }

  bool finished() const override {
    return run_.spec->early_exit &&
           std::all_of(stopped_.begin(), stopped_.end(), [](char stopped) { return stopped != 0; });
  }

  Status Feed(const std::vector<InputFormat>& inputs, std::span<const SampleInputs> samples) override {
    const Result<CheckedSpec> spec = FedSpec(run_.spec, inputs, samples, samples_.size());
    if (!spec.ok()) {
      return spec.status();
    }
    if (inputs != run_.spec->inputs) {
      run_ = run_.With(spec.value());
      for (auto& thread : space_->threads) {
        thread.scratch.reset();
      }
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
    if (run_.spec->in_one && done_ > 0) {
      return reading_;
    }
    Reading reading = EmptyReading(done_ - fed_at_);
    const auto read = [&](std::int64_t index, std::int64_t thread) {
      ReadSample(samples_[Index(index)], Index(index), ScratchOf(thread), reading);
    };
    pool_.For(static_cast<std::int64_t>(samples_.size()), std::ref(read));
    return reading;
  }

  Result<Reading> TakeReading() override {
    return run_.spec->in_one ? Result<Reading>(std::move(reading_)) : Read();
  }

 private:
  // With room for what the samples have to say of `steps` steps.
  Reading EmptyReading(std::int64_t steps) const {
    Reading reading;
    reading.steps_done = fed_at_ + steps;
    for (const std::int64_t probe : run_.spec->probes) {
      const std::int64_t size = run_.ProbeSize(probe);
      ProbeReading& one = reading.probes.emplace_back();
      one.size = size;
      one.values.resize(count_ * Index(size));
      one.trajectory.resize(run_.spec->trajectories ? count_ * Index(size * steps) : 0);
    }
    for (std::size_t i = 0; i < run_.spec->request_probes.size(); ++i) {
      const Recording& recording = run_.spec->request_probes[i].recording;
      ProbeRecord& record = reading.records.emplace_back();
      record.size = run_.RecordSize(i);
      record.rows = recording.Rows(recording.Kept(0, steps));
      record.values.resize(count_ * Index(record.rows * record.size));
    }
    reading.steps_used.resize(run_.spec->early_exit || run_.spec->session ? count_ : 0);
    reading.sample_status.resize(count_);
    reading.statistics.resize(run_.spec->statistics ? count_ : 0);
    reading.spikes.resize(count_);
    return reading;
  }

  // The samples [first, first + count), at step 0, in the thread's room for a group.
  std::span<Sample> MakeGroup(std::int64_t first, std::int64_t count, std::int64_t thread) {
    std::vector<Sample>& group = space_->threads[Index(thread)].group;
    for (std::size_t i = 0; i < Index(count); ++i) {
      SampleInputs& inputs = inputs_[Index(first) + i];
      if (i == group.size()) {
        group.emplace_back(run_, std::move(inputs));
      } else if constexpr (requires { group[i].Restart(run_, std::move(inputs)); }) {
        group[i].Restart(run_, std::move(inputs));
      } else {
        group[i] = Sample(run_, std::move(inputs));
      }
    }
    return std::span(group).first(Index(count));
  }

  // False, and `ended` set, where the work was to stop.
  bool AdvanceSample(Sample& sample, std::int64_t index, std::int64_t steps, Scratch& scratch,
                     const StopCheck& stopped, std::atomic<bool>& ended) {
    const std::int64_t end = done_ + steps;
    for (std::int64_t at = done_; at < end;) {
      if (ended || (stopped && stopped())) {
        ended = true;
        return false;
      }
      const std::int64_t now = std::min(piece_, end - at);
      at += now;
      if (run_.spec->early_exit) {
        AdvanceUntilClear(sample, index, at, scratch);
      } else {
        sample.Advance(run_, now, scratch);
      }
    }
    return true;
  }

  // Up to step `end`, or to the check at which the sample's answer is clear.
  void AdvanceUntilClear(Sample& sample, std::int64_t index, std::int64_t end, Scratch& scratch) {
    const EarlyExit& exit = *run_.spec->early_exit;
    char& stopped = stopped_[Index(index)];
    std::vector<double> values(Index(run_.ProbeSize(run_.spec->probes[Index(exit.probe)])));
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
    std::unique_ptr<Scratch>& scratch = space_->threads[Index(thread)].scratch;
    if (!scratch) {
      scratch = std::make_unique<Scratch>(run_);
    }
    return *scratch;
  }

  // Calls body(first, count, thread) for groups of at most run_.group samples, about as large as each other
  // and as many for each thread. Where there are fewer samples than threads, one after the other, and the
  // threads share the work inside a sample.
  template <typename Body>
  void ForEachGroup(Body& body) {
    const auto samples = static_cast<std::int64_t>(count_);
    const bool inside = samples < pool_.threads();
    if constexpr (requires(Scratch scratch) { scratch.pool; }) {
      ScratchOf(0).pool = inside ? &pool_ : nullptr;
    }
    const std::int64_t groups = inside ? samples : Groups(samples);
    const std::int64_t unit = samples >= groups * kGroupUnit ? kGroupUnit : 1;
    const auto begin = [&](std::int64_t index) {
      return index == groups ? samples : samples * index / groups / unit * unit;
    };
    const auto one = [&](std::int64_t index, std::int64_t thread) {
      body(begin(index), begin(index + 1) - begin(index), thread);
    };
    for (std::int64_t index = 0; inside && index < groups; ++index) {
      one(index, 0);
    }
    if (!inside) {
      pool_.For(groups, std::ref(one));
    }
  }

  std::int64_t Groups(std::int64_t samples) const {
    const auto ceiling = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
    // Beginnings are rounded.
    const std::int64_t most = std::max<std::int64_t>(run_.group - kGroupUnit + 1, 1);
    return std::min(samples, ceiling(ceiling(samples, most), pool_.threads()) * pool_.threads());
  }

  void ReadSample(const Sample& sample, std::size_t i, Scratch& scratch, Reading& reading) const {
    reading.sample_status[i] = sample.status();
    reading.spikes[i] = sample.spikes();
    if (!reading.steps_used.empty()) {
      reading.steps_used[i] = sample.steps_done();
    }
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
            OutOfRange("probe " + std::to_string(run_.spec->probes[p]) +
                       ": an output is infinite or not a number; lower the inputs or gains");
      }
      if (run_.spec->trajectories && sample.status().ok()) {
        std::copy(
            sample.trajectory(p).begin(), sample.trajectory(p).end(),
            probe.trajectory.begin() + static_cast<std::ptrdiff_t>(i * (probe.trajectory.size() / count_)));
      }
    }
    ReadRecords(sample, i, reading);
    if (run_.spec->statistics) {
      reading.statistics[i] = sample.Activity(run_);
    }
  }

  void ReadRecords(const Sample& sample, std::size_t i, Reading& reading) const {
    for (std::size_t r = 0; r < reading.records.size() && sample.status().ok(); ++r) {
      ProbeRecord& record = reading.records[r];
      const std::vector<double> rows = sample.Record(r);
      const auto stride = static_cast<std::ptrdiff_t>(record.rows * record.size);
      const auto count = std::min(static_cast<std::ptrdiff_t>(rows.size()), stride);
      std::copy(rows.begin(), rows.begin() + count,
                record.values.begin() + static_cast<std::ptrdiff_t>(i) * stride);
    }
  }

  std::unique_ptr<Space> space_;
  const SpaceKeeper<Space> keeper_;
  Run& run_;  // of the space
  ThreadPool& pool_;
  const std::int64_t piece_;
  const std::size_t count_;           // samples
  std::vector<SampleInputs> inputs_;  // with in_one, of the samples that are not made yet
  std::vector<Sample> samples_;       // without in_one
  Reading reading_;                   // with in_one
  std::vector<char> stopped_;         // [sample]: by early exit
  std::int64_t done_ = 0;
  std::int64_t fed_at_ = 0;  // steps done when the inputs began
  bool fed_;                 // every sample has inputs
  bool prepare_ = true;      // the inputs are new
};

}  // namespace spikeserve::engine
