#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "server/engine/network/index.h"
#include "server/engine/run/early_exit.h"
#include "server/engine/run/progress.h"
#include "server/engine/run/sample_answers.h"
#include "server/engine/run/simulation.h"
#include "server/engine/samples/sample_view.h"
#include "server/engine/samples/thread_pool.h"
#include "server/engine/samples/workspace.h"

namespace spikeserve::engine {

// Kernels take a few samples at once: groups begin at multiples of this.
constexpr std::int64_t kGroupUnit = 4;

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

  // `cache`, where the workspace goes for the next simulation (null: nowhere), and `pool` outlive this one.
  // `piece` steps of a sample pass between two looks at whether the work is to stop.
  SampleSimulation(std::unique_ptr<Space> space, WorkspaceCache<Space>* cache,
                   std::span<const SampleInputs> inputs, ThreadPool& pool, std::int64_t piece)
      : space_(std::move(space)),
        cache_(cache),
        run_(space_->run),
        pool_(pool),
        threads_(pool.threads()),
        piece_(piece),
        count_(inputs.size()),
        progress_(*run_.spec) {
    if (run_.spec->early_exit) {
      stops_.emplace(*run_.spec->early_exit, count_);
    }
    if (run_.spec->in_one) {
      inputs_.assign(inputs.begin(), inputs.end());
      reading_ = EmptyReading(run_, count_, 0, run_.spec->settings.steps);
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
    if (cache_ != nullptr && run_.spec->in_one && !recorded) {
      cache_->Put(std::move(space_));
    }
  }

  Status Advance(std::int64_t steps, const StopCheck& stopped) override {
    if (Status status = progress_.Check(steps); !status.ok()) {
      return status;
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
      }
      if (run_.spec->in_one) {
        ReadGroup(group, first, ScratchOf(thread), reading_);
      }
    };
    ForEachGroup(advance);
    if (ended) {
      return {StatusCode::kCancelled, "stopped between two pieces of a sample's run"};
    }
    progress_.Advance(steps);
    return {};
  }

  bool finished() const override { return stops_ && stops_->finished(); }
  void StayOnThread() override { threads_ = 1; }
  double worked_s() const override {
    return std::chrono::duration<double>(std::chrono::steady_clock::duration(worked_)).count();
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
    progress_.Feed();
    prepare_ = true;
    return {};
  }

  Status Reset(std::span<const std::int64_t> samples) override {
    for (const std::int64_t index : samples) {
      samples_[Index(index)] = Sample(run_, SampleInputs{});
    }
    progress_.Reset(samples.size());
    return {};
  }

  Result<Reading> Read() override {
    if (run_.spec->in_one && progress_.done() > 0) {
      return reading_;
    }
    Reading reading = EmptyReading(run_, count_, progress_.fed_at(), progress_.done() - progress_.fed_at());
    const auto read = [&](std::int64_t first, std::int64_t count, std::int64_t thread) {
      ReadGroup(std::span(samples_).subspan(Index(first), Index(count)), first, ScratchOf(thread), reading);
    };
    ForEachGroup(read);
    return reading;
  }

  Result<Reading> TakeReading() override {
    return run_.spec->in_one ? Result<Reading>(std::move(reading_)) : Read();
  }

 private:
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
    const std::int64_t end = progress_.done() + steps;
    for (std::int64_t at = progress_.done(); at < end;) {
      if (ended || (stopped && stopped())) {
        ended = true;
        return false;
      }
      const std::int64_t now = std::min(piece_, end - at);
      at += now;
      if (stops_) {
        ExitingSample<Space> exiting(run_, sample, scratch, Index(index), *stops_);
        static_cast<void>(AdvanceUntilClear(stops_->rule(), at, exiting));  // a sample's status is its own
      } else {
        sample.Advance(run_, now, scratch);
      }
    }
    return true;
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
    const bool inside = samples < threads_;
    if constexpr (requires(Scratch scratch) { scratch.pool; }) {
      ScratchOf(0).pool = inside ? &pool_ : nullptr;
    }
    const std::int64_t groups = inside ? samples : Groups(samples);
    const std::int64_t unit = samples >= groups * kGroupUnit ? kGroupUnit : 1;
    const auto begin = [&](std::int64_t index) {
      return index == groups ? samples : samples * index / groups / unit * unit;
    };
    const auto one = [&](std::int64_t index, std::int64_t thread) {
      const Times times(*this, inside);
      body(begin(index), begin(index + 1) - begin(index), thread);
    };
    const bool alone = inside || threads_ == 1;
    for (std::int64_t index = 0; alone && index < groups; ++index) {
      one(index, 0);
    }
    if (!alone) {
      pool_.For(groups, std::ref(one));
    }
  }

  // Counts the time of its scope as work: of all threads, where these may have shared it.
  class Times {
   public:
    Times(SampleSimulation& simulation, bool shared)
        : simulation_(simulation), loops_(shared ? simulation.pool_.begun() : -1) {}
    ~Times() {
      const bool all = loops_ >= 0 && simulation_.pool_.begun() != loops_;
      const std::int64_t threads = all ? simulation_.threads_ : 1;
      simulation_.worked_ += threads * (std::chrono::steady_clock::now() - begin_).count();
    }
    Times(const Times&) = delete;
    Times& operator=(const Times&) = delete;

   private:
    SampleSimulation& simulation_;
    const std::int64_t loops_;
    const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  };

  std::int64_t Groups(std::int64_t samples) const {
    const auto ceiling = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
    // Beginnings are rounded.
    const std::int64_t most = std::max<std::int64_t>(run_.group - kGroupUnit + 1, 1);
    return std::min(samples, ceiling(ceiling(samples, most), threads_) * threads_);
  }

  void ReadGroup(std::span<Sample> group, std::int64_t first, Scratch& scratch, Reading& reading) const {
    if constexpr (requires { Sample::Settle(run_, group, scratch); }) {
      Sample::Settle(run_, group, scratch);
    }
    for (std::size_t i = 0; i < group.size(); ++i) {
      ReadSample(*run_.spec, SampleView<Space>(run_, group[i], scratch), Index(first) + i, reading);
    }
  }

  std::unique_ptr<Space> space_;
  WorkspaceCache<Space>* const cache_;
  Run& run_;  // of the space
  ThreadPool& pool_;
  std::int64_t threads_;                  // that work on it
  std::atomic<std::int64_t> worked_ = 0;  // in ticks of the clock
  const std::int64_t piece_;
  const std::size_t count_;           // samples
  std::vector<SampleInputs> inputs_;  // with in_one, of the samples that are not made yet
  std::vector<Sample> samples_;       // without in_one
  Reading reading_;                   // with in_one
  Progress progress_;
  std::optional<EarlyStops> stops_;  // with early exit
  bool prepare_ = true;              // the inputs are new
};

}  // namespace spikeserve::engine
