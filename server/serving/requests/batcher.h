#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/serving/requests/fair_tree.h"
#include "server/serving/requests/lane.h"
#include "server/serving/requests/request.h"
#include "server/serving/requests/run.h"
#include "server/serving/requests/wait_forecast.h"

namespace spikeserve::serving {

struct BatcherOptions {
  std::int64_t max_batch = 64;             // samples of one run, unless one request alone has more
  std::chrono::microseconds max_delay{0};  // how long a request waits at most for others to join it
  std::int64_t max_queue = 8192;           // samples waiting
  std::chrono::milliseconds max_wait{
      600'000};  // that others may hold up a request, as far as can be foreseen
  // Time after which those who share the server with a long run have their turn.
  std::chrono::microseconds turn{5'000};
  std::int64_t min_samples = 1;  // of a turn: fewer would leave threads idle
  std::int64_t servers = 1;      // workers
};

// Bounded queues of requests. A free worker pulls the next run at the moment it can work on it, so that a
// batch fills for as long as all workers are busy. Workers work in turns: what takes longer comes back after
// its turn, and waits like what is new.
//
// Whose turn it is: tenants share by weight, a tenant's connections evenly, then the networks of a
// connection, then requests by their expected cost in seconds, so that no number of large ones holds up a
// small one. Of about the same cost, the lowest priority number is first, then the oldest; a second of
// waiting makes up for a step of priority. Thread-safe.
class Batcher {
 public:
  // `clock` outlives the batcher.
  Batcher(const BatcherOptions& options, const Clock& clock) : options_(options), clock_(clock) {}

  // From now on threads that submit requests which may run at once work on them themselves, where that is
  // over about as soon as they would have handed them to a worker: as long as nobody waits, and no more than
  // `places` runs are under way. Before any request.
  void RunShortOnes(RunContext context, std::int64_t places);

  // Never waits, and works for a fraction of a millisecond at most, see RunShortOnes. The sink is called only
  // where the answer is OK. RESOURCE_EXHAUSTED when full, with the time after which there may be room;
  // DEADLINE_EXCEEDED where the work before it leaves no time; UNAVAILABLE when closed.
  Status Submit(Request request);

  // The next run as soon as one is due; null when stopped, or when closed and empty. Return it after the
  // turn.
  std::unique_ptr<Run> Next(std::stop_token stop);
  // The run that is due now, if any.
  std::unique_ptr<Run> Poll();
  // After a turn of the run.
  void Return(std::unique_ptr<Run> run);

  // Answers requests that expired or were cancelled, although no worker is free.
  void Sweep();
  // Refuses new requests; what waits is due at once.
  void Close();
  // Answers all that wait with `status`.
  void FailQueued(const Status& status);

  // Samples that wait, those of runs between two turns included.
  std::int64_t queued_samples() const;
  // The time that they are expected to take one worker.
  double queued_seconds() const;
  const BatcherOptions& options() const { return options_; }

 private:
  using Tree = FairTree<Lane>;
  using Node = Tree::Node;
  using Answers = std::vector<std::pair<Request, Status>>;
  using Dropped = std::vector<std::pair<ResultSink*, Status>>;
  // Answers to be given without the mutex, as a sink may come back to the batcher.
  struct Unwanted {
    Answers requests;
    Dropped sinks;                           // of requests in runs between two turns
    std::vector<std::unique_ptr<Run>> runs;  // all of whose requests are answered then
    Batch lost;                              // those with a sink are answered with `lost_why`
    Status lost_why;
    bool empty() const { return requests.empty() && sinks.empty() && runs.empty() && lost.empty(); }
  };

  // In short_runs.cc:
  // What Submit answers of a request that it has run; nothing, and the request as it was, where it has to
  // wait for a worker.
  std::optional<Status> RunAtOnce(Request& request);
  // A run of the request alone; null, and the request as it was, where it has to wait.
  std::unique_ptr<Run> TakeShort(Request& request);
  bool MayRunAtOnce(Request& request) SPIKESERVE_REQUIRES(mu_);

  // In batcher_admission.cc:
  Status QueueUp(Request request);
  Status Admit(Request& request, Unwanted& unwanted) SPIKESERVE_REQUIRES(mu_);
  Status Refuse(Request& request) SPIKESERVE_REQUIRES(mu_);
  // Seconds that others are expected to hold up the request, by what waits and what is being worked on.
  double Foresee(const Request& request, double own_s) SPIKESERVE_REQUIRES(mu_);
  // Makes room by dropping the newest of those that wait for most; OK where there is room now.
  Status MakeRoom(const Request& request, Unwanted& dropped) SPIKESERVE_REQUIRES(mu_);
  // Seconds until there should be room for a request that is refused, `room_s` at least: after those that
  // were refused before it.
  double PromiseRoom(const Request& request, double room_s) SPIKESERVE_REQUIRES(mu_);
  // The lane for what is left of the request.
  Node& LaneOf(const Request& request) SPIKESERVE_REQUIRES(mu_);

  // Takes the request, unless it throws.
  void Enqueue(Request& request, bool first) SPIKESERVE_REQUIRES(mu_);
  // The lane that the request is in.
  static Node& PlaceOf(const Request& request);
  void Leave(Request& request) SPIKESERVE_REQUIRES(mu_);
  void Count(Request& request, double work_s, std::int64_t samples) SPIKESERVE_REQUIRES(mu_);

  // Does not throw: what there is no memory for is found the next time.
  void TakeUnwanted(Unwanted& unwanted) SPIKESERVE_REQUIRES(mu_);
  bool TakeIfUnwanted(Request& request, Clock::TimePoint now, Unwanted& unwanted) SPIKESERVE_REQUIRES(mu_);
  bool TakeIfUnwanted(Lane::Parked& parked, Clock::TimePoint now, Unwanted& unwanted)
      SPIKESERVE_REQUIRES(mu_);
  // It is over; but for `own_s` others have held it up.
  void LearnWait(const Request& request, double own_s, Clock::TimePoint now) SPIKESERVE_REQUIRES(mu_);
  void LeaveAll(Unwanted& unwanted) SPIKESERVE_REQUIRES(mu_);
  void Answer(Unwanted unwanted) SPIKESERVE_EXCLUDES(mu_);
  Clock::TimePoint NextEvent() SPIKESERVE_REQUIRES(mu_);
  // Something may have become due.
  void WakeForWaiting() SPIKESERVE_REQUIRES(mu_);
  // Waits for news since nothing was found due, the mutex having been held since.
  void AwaitChange(std::stop_token stop) SPIKESERVE_REQUIRES(mu_);

  // In batcher_turns.cc:
  bool IsDue(const Lane::Queue& queue) const SPIKESERVE_REQUIRES(mu_);
  Clock::TimePoint::duration DelayOf(const Request& request) const SPIKESERVE_REQUIRES(mu_);
  // Whether one more sample would save little.
  bool HasEnough(const Lane::Queue& queue) const SPIKESERVE_REQUIRES(mu_);
  static bool Holds(const Lane::Queue& queue, std::int64_t enough);
  // Why it is due, in a word.
  const char* WhyDue(const Lane::Queue& queue) const SPIKESERVE_REQUIRES(mu_);
  // Does not throw: requests of which no run could be made, for want of memory, are lost.
  std::unique_ptr<Run> TakeDue(Unwanted& unwanted) SPIKESERVE_REQUIRES(mu_);
  // `taken` has what is taken for a run, until that is made.
  std::unique_ptr<Run> TakeNext(Batch& taken) SPIKESERVE_REQUIRES(mu_);
  std::unique_ptr<Run> TakeFrom(Lane& lane, Batch& taken) SPIKESERVE_REQUIRES(mu_);
  std::int64_t FitsTurn(const CostEstimate& cost) const;
  std::unique_ptr<Run> NewRun(Lane& lane, std::list<Lane::Queue>::iterator queue, Batch& batch)
      SPIKESERVE_REQUIRES(mu_);
  void Join(Batch& batch, std::int64_t room) SPIKESERVE_REQUIRES(mu_);
  void Charge(Run& run) SPIKESERVE_REQUIRES(mu_);
  void Settle(Batch& requests, double turn_s) SPIKESERVE_REQUIRES(mu_);
  // Does not throw: why those that still have a sink afterwards could not be queued.
  Status Requeue(Batch& requests) SPIKESERVE_REQUIRES(mu_);
  // What Return does with the mutex; does not throw. Why the run is to fail, where it is still there, and
  // with it those in `left_over` and `ended` that still have a sink.
  Status TakeBack(std::unique_ptr<Run>& run, Batch& left_over, Batch& ended) SPIKESERVE_REQUIRES(mu_);
  // Takes the run, unless it throws.
  void Park(std::unique_ptr<Run>& run) SPIKESERVE_REQUIRES(mu_);
  void Unblock() SPIKESERVE_REQUIRES(mu_);
  // Whether memory will become free that a run which is not there any more does not have.
  bool OthersHoldMemory() SPIKESERVE_REQUIRES(mu_);

  const BatcherOptions options_;
  const Clock& clock_;
  std::optional<RunContext> short_context_;  // set before any request
  std::int64_t short_places_ = 0;            // likewise
  mutable Mutex mu_;
  std::condition_variable_any changed_;
  Tree tree_ SPIKESERVE_GUARDED_BY(mu_);
  WaitForecast forecast_ SPIKESERVE_GUARDED_BY(mu_);
  std::vector<Clock::TimePoint> turn_ends_ SPIKESERVE_GUARDED_BY(mu_);  // of the workers that work on one
  std::int64_t short_ones_ SPIKESERVE_GUARDED_BY(mu_) = 0;  // runs on the threads that have read them
  std::int64_t begun_ SPIKESERVE_GUARDED_BY(mu_) = 0;       // runs between two turns that have memory
  std::int64_t freed_ SPIKESERVE_GUARDED_BY(mu_) = 0;       // counts when memory has become free
  // Room that becomes free is promised until then.
  Clock::TimePoint promised_ SPIKESERVE_GUARDED_BY(mu_);
  Clock::TimePoint swept_ SPIKESERVE_GUARDED_BY(mu_);  // when unwanted requests were last looked for
  // Counts what a waiting worker should look at.
  std::int64_t changes_ SPIKESERVE_GUARDED_BY(mu_) = 0;
  bool closed_ SPIKESERVE_GUARDED_BY(mu_) = false;
};

}  // namespace spikeserve::serving
