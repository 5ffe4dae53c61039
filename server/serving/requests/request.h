#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/base/status.h"
#include "server/engine/run/simulation.h"
#include "server/serving/memory_budget.h"
#include "server/serving/networks/network_entry.h"

namespace spikeserve::serving {

// When so many steps of a run were done.
struct ChunkMark {
  Clock::TimePoint end;
  std::int64_t steps = 0;
};

// How an answer was come by, where no run was begun for it.
enum class Reuse {
  kNone,
  kCached,    // it had been kept from an equal request
  kCoalesced  // it is that of the run of an equal request
};

// What a request got: the reading of its own samples, and what it cost.
struct RunOutcome {
  std::shared_ptr<const engine::Reading> reading;  // of a run that succeeded; equal requests share it
  double queue_s = 0;
  double compute_s = 0;
  std::int64_t batch_size = 0;         // samples of the run it was part of
  std::vector<ChunkMark> chunks = {};  // of its last run, the first of them; only where it is traced
  Reuse reuse = Reuse::kNone;
};

// Receives what happens to one request. Called by one thread at a time; must return at once. Nothing is
// thrown: there would be nobody to answer.
class ResultSink {
 public:
  virtual ~ResultSink() = default;
  // Whether a readout would be of use now. Where nobody wants one none is made, which costs up to 100 times
  // what a step does, and steps run in whole chunks.
  virtual bool WantsProgress() noexcept { return true; }
  // The readout over the steps so far.
  virtual void OnProgress(engine::Reading reading) noexcept = 0;
  // The end, exactly once; `outcome` is filled where `status` is OK. The sink may be gone afterwards.
  virtual void OnDone(const Status& status, RunOutcome outcome) noexcept = 0;
};

inline constexpr std::int64_t kDefaultPriority = 2;

// How far a request has come whose samples are not all simulated in one run.
struct RequestProgress {
  std::int64_t done = 0;    // samples with a result
  std::int64_t taken = 0;   // those after them that a run has now
  engine::Reading reading;  // of those done, where not all are
  MemoryBudget::Reservation reading_bytes;
  double queue_s = 0;           // until its first run began
  double compute_s = 0;         // of its runs
  std::int64_t batch_size = 0;  // samples of its largest run
};

// Where the batcher has a request, and what it counts for it there.
struct QueuePlace {
  void* lane = nullptr;
  CostEstimate cost;  // of a run of it
  double work_s = 0;  // that waits
  std::int64_t samples = 0;
  std::size_t level = 0;  // by what it was to cost when it came
  double foreseen_s = 0;  // that others would hold it up
  double charged_s = 0;   // for the turn under way
  double attained_s = 0;  // of all turns
};

// Samples to be simulated. Moved from the service to the batcher to a worker.
struct Request {
  // The spec was checked against this network.
  Request(NetworkHandle of, engine::CheckedSpec checked) : network(std::move(of)), spec(std::move(checked)) {}

  NetworkHandle network;
  engine::CheckedSpec spec;
  std::int64_t report_every = 0;  // steps between OnProgress calls; 0: none
  std::vector<engine::SampleInputs> samples;
  std::shared_ptr<const void> input_bytes;  // what `samples` point into
  MemoryBudget::Reservation reservation;    // of the input bytes
  Clock::TimePoint deadline = Clock::TimePoint::max();
  // Instead of the deadline, where others may come to wait for it too: the latest of theirs, which may move.
  std::shared_ptr<const std::atomic<Clock::TimePoint>> shared_deadline;
  std::int64_t priority = kDefaultPriority;  // of those that are due, the lowest number is served first
  std::string tenant;                        // who shares the server with the others, by weight
  double weight = 1;                         // of the tenant's share; above 0
  std::string client;                        // a connection of the tenant
  std::int64_t result_bytes = 0;             // of the readings of all its samples, at most
  std::stop_token cancelled;
  ResultSink* sink = nullptr;
  bool traced = false;  // somebody wants to know of its chunks
  // Whether who submits it may work on it, where that is short, and the sink be called before Submit returns.
  bool may_run_at_once = false;
  Clock::TimePoint enqueued;  // set by the batcher
  RequestProgress progress;
  QueuePlace place;

  Clock::TimePoint ends_by() const { return shared_deadline ? shared_deadline->load() : deadline; }
  std::int64_t sample_count() const { return static_cast<std::int64_t>(samples.size()); }
  std::int64_t samples_left() const { return sample_count() - progress.done; }
  // Whether its samples may be simulated some now, some later: not where all report together.
  bool divisible() const { return report_every == 0; }
  // Answers, after giving back all that the request holds: who has the answer may count on it.
  void Answer(const Status& status, RunOutcome outcome);
};

// Whether both can be samples of one simulation.
bool CanShareBatch(const Request& a, const Request& b);

// CANCELLED or DEADLINE_EXCEEDED where the request is no longer wanted.
Status StillWanted(const Request& request, Clock::TimePoint now);
// What a run may take of what is expected, which is a mean.
inline constexpr double kMargin = 1.25;
// Whether a run of so many samples that begins now is expected to end before `deadline`; true where its cost
// is not known.
bool HasTimeFor(const CostEstimate& cost, std::int64_t samples, Clock::TimePoint deadline,
                Clock::TimePoint now);
// The same as StillWanted of one that waits; DEADLINE_EXCEEDED also where what is left of it takes longer
// than it has time: to begin with it would take time from those that can be answered.
Status StillPossible(const Request& request, Clock::TimePoint now);
// StillWanted of any that is over at `deadline` or once it is cancelled.
Status StillWanted(Clock::TimePoint deadline, const std::stop_token& cancelled, Clock::TimePoint now);

}  // namespace spikeserve::serving
