#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/serving/memory_budget.h"
#include "server/serving/requests/request.h"

namespace spikeserve::serving {

// Requests that run together; all can share a batch.
using Batch = std::vector<Request>;

// What one run did, for the metrics.
struct RunRecord {
  std::int64_t requests = 0;
  std::int64_t samples = 0;
  std::int64_t steps = 0;   // done, per sample
  std::int64_t spikes = 0;  // of the samples that were answered
  double queue_s = 0;       // of the request that waited longest
  double compute_s = 0;
  const char* released = "";  // why it was begun when it was, in a word; empty: not known
};

// What a run needs from around it. All of it outlives the run.
struct RunContext {
  MemoryBudget& budget;
  const Clock& clock;
  std::int64_t max_chunk_steps = engine::kMaxChunkSteps;  // at most, between two looks at who still waits
  std::function<void(const RunRecord&)> on_run;
};

// One simulation of samples of several requests, in turns. Each request is answered exactly once, when its
// last sample is done. One that is cancelled or expires is answered between two chunks; the run ends with the
// last that is wanted. A sample that fails takes only its own request with it. One thread at a time.
class Run {
 public:
  // Simulates `taken` of the samples of each request. `in_turns`: a turn ends with its time, not with the
  // run. `released` says in a word why it is begun now.
  Run(Batch&& batch, bool in_turns, const char* released = "");
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  // All of it is to be done by the thread that calls Work, where that can be. Before the first turn.
  void StayOnThread() { stays_ = true; }
  // A turn of about `turn`, at least a chunk. `stop` ends the run with UNAVAILABLE.
  void Work(const RunContext& context, const std::stop_token& stop, Clock::TimePoint::duration turn);

  // Whether there is nothing more to do for this run.
  bool ended() const { return ended_; }
  // Requests that the last Work, which began the run, had no memory for beside the others.
  Batch TakeLeftOver();
  // Where it had none to begin with at all, why.
  const Status& no_memory() const { return no_memory_; }
  // All that is unanswered is answered with `status`.
  void Fail(const Status& status);
  // Takes those that are not wanted any more out of a run between two turns, to be answered by the caller.
  std::vector<std::pair<ResultSink*, Status>> TakeUnwanted(Clock::TimePoint now);

  // Those without a sink are answered. Of an ended run, others have samples left.
  Batch& requests() { return batch_; }
  const Batch& requests() const { return batch_; }
  bool in_turns() const { return in_turns_; }
  // Whether it has been given memory, and has it still.
  bool begun() const { return simulation_ != nullptr; }
  Batch TakeRequests() && { return std::move(batch_); }
  // How often memory had become free when the batcher gave it to a worker; the batcher's own.
  std::int64_t freed_before = 0;
  // When its turn is expected to end; the batcher's own.
  Clock::TimePoint turn_ends;
  // Seconds of the last turn.
  double turn_s() const { return turn_s_; }
  // The part of its steps that is done.
  double done() const {
    return static_cast<double>(steps_done_) / static_cast<double>(spec_->settings.steps);
  }

 private:
  // What a request has in this run.
  struct Part {
    std::size_t request = 0;
    std::int64_t first = 0;  // of the run's samples
    std::int64_t count = 0;
  };

  void FailFirst(std::size_t requests, const Status& status);
  bool AllAnswered() const;
  bool WantsReport() const;
  bool Unwanted(const std::stop_token& stop, const Clock& clock) const;
  Status WorkGuarded(const RunContext& context, const std::stop_token& stop, Clock::TimePoint until);
  Status Begin(const RunContext& context, const std::stop_token& stop);
  bool AnswerUnwanted(Clock::TimePoint now);
  Status Reserve(MemoryBudget& budget);
  bool TakeLess();
  Status NewSimulation();
  Status Advance(const RunContext& context, const std::stop_token& stop, Clock::TimePoint until);
  std::int64_t NextChunk(const RunContext& context) const;
  Status DropUnwanted(const RunContext& context, const std::stop_token& stop);
  Status Report();
  Status Finish(const RunContext& context);
  void CountAnswers(const engine::Reading& reading);
  Status AnswerPart(const Part& part, engine::Reading& reading, const RunContext& context);
  void MarkChunk(std::int64_t steps, const Clock& clock);
  void Record(const RunContext& context) const;
  double ComputeSeconds(const Clock& clock) const;
  std::int64_t samples() const;
  // From Begin until the first is answered with a result: those that are dropped meanwhile keep it.
  const NetworkEntry& network() const { return *batch_[parts_.front().request].network; }

  engine::CheckedSpec spec_;
  Batch batch_;  // taken once nothing more can fail
  const bool in_turns_;
  const char* const released_;
  bool stays_ = false;  // on the thread that works on it
  const std::int64_t report_every_;
  std::vector<Part> parts_;
  MemoryBudget::Reservation reservation_;
  std::unique_ptr<engine::Simulation> simulation_;
  Clock::TimePoint turn_began_;
  double earlier_turns_s_ = 0;
  double turn_s_ = 0;
  double queue_s_ = 0;
  std::int64_t steps_done_ = 0;
  std::int64_t spikes_ = 0;
  bool traced_ = false;            // by one of its requests
  std::vector<ChunkMark> chunks_;  // where it is
  bool ended_ = false;
  Status no_memory_;
};

}  // namespace spikeserve::serving
