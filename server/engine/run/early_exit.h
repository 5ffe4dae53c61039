#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "server/base/status.h"
#include "server/engine/run/reading.h"
#include "server/engine/run/simulation_spec.h"

namespace spikeserve::engine {

// The largest value minus the second largest; +infinity with one value.
double Margin(std::span<const double> values);

// The next step after `done` at which the answer is looked at.
std::int64_t NextCheck(const EarlyExit& exit, std::int64_t done);

// What early exit asks of that which runs: a sample, or a batch whose samples run together.
class ExitingRun {
 public:
  virtual ~ExitingRun() = default;
  virtual std::int64_t steps_done() const = 0;
  // Whether there is no answer left to wait for.
  virtual bool finished() const = 0;
  virtual Status AdvanceTo(std::int64_t step) = 0;
  // Stops what has a clear answer; steps_done() is one of the checks.
  virtual void Look() = 0;
};

// Runs up to step `end`, or to the check at which the last answer is clear.
Status AdvanceUntilClear(const EarlyExit& rule, std::int64_t end, ExitingRun& run);

// Which samples have stopped, and after how many steps. Several threads may tell of different samples at a
// time; it is read when they are done.
class EarlyStops {
 public:
  EarlyStops(const EarlyExit& rule, std::size_t samples) : rule_(rule), steps_(samples, kRunning) {}

  const EarlyExit& rule() const { return rule_; }
  bool stopped(std::size_t sample) const { return steps_[sample] != kRunning; }
  bool finished() const;
  // Of a stopped sample.
  std::int64_t steps(std::size_t sample) const { return steps_[sample]; }

  // The sample needs no further steps, whatever its answer: its numbers left their range.
  void Stop(std::size_t sample, std::int64_t done) { steps_[sample] = done; }
  // Stops the sample if its readout after `done` steps is clear.
  void Look(std::size_t sample, std::int64_t done, std::span<const double> values);

 private:
  static constexpr std::int64_t kRunning = -1;

  const EarlyExit rule_;
  std::vector<std::int64_t> steps_;  // [sample]: after which it stopped
};

// The same of a batch that runs on with all samples until the last has stopped: keeps what each said then.
// One thread at a time.
class StoppedAnswers {
 public:
  StoppedAnswers(const EarlyExit& rule, std::size_t samples) : stops_(rule, samples) {}

  bool finished() const { return stops_.finished(); }
  // `reading` was taken at a check; `failed`: the sample's numbers left their range.
  void Look(std::size_t sample, bool failed, const Reading& reading);
  // Puts what samples said when they stopped in place of what they say now, and the steps behind it.
  void Apply(Reading& reading) const;
  // What all said when they stopped. Of a finished batch.
  Reading All() const;

 private:
  EarlyStops stops_;
  Reading kept_;  // of the stopped samples
};

}  // namespace spikeserve::engine
