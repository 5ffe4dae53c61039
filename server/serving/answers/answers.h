#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/serving/answers/flight.h"
#include "server/serving/answers/kept_answers.h"
#include "server/serving/requests/batcher.h"
#include "server/serving/requests/request.h"
#include "server/serving/tenants/tenant.h"

namespace spikeserve::serving {

// What became of requests since the start, and what is kept now.
struct AnswerCounts {
  std::int64_t hits = 0;       // answered by what was kept
  std::int64_t misses = 0;     // for which a run was to be begun
  std::int64_t coalesced = 0;  // that joined an equal one on its way
  std::int64_t evicted = 0;    // answers that made room for others
  std::int64_t kept = 0;
  std::int64_t bytes = 0;
};

// Answers requests that are equal once. In front of the batcher: it answers what it has kept, lets a request
// wait for an equal one that is queued or running, and passes on the rest. Each request has its own deadline
// and its own cancellation: a run ends with the last that waits for it. Where a run is refused or dropped,
// that is told to the request it was begun for, and the next one begins another. Thread-safe.
class Answers {
 public:
  // Whether this very network is ready. Called with a mutex held; must not come back.
  using IsReady = std::function<bool(const AnswerOrigin&)>;

  // `batcher` and `clock` outlive this, and by its end the batcher has answered everything.
  Answers(std::int64_t limit_bytes, Batcher& batcher, const Clock& clock, IsReady is_ready);
  ~Answers();
  Answers(const Answers&) = delete;
  Answers& operator=(const Answers&) = delete;

  // As Batcher::Submit, but the sink may be called before this returns, by the same thread. Requests of equal
  // keys are equal in all that their answers depend on. `permit` is the request's, without its samples: these
  // are taken where a run is begun for it. It outlives the answer, and is not touched meanwhile.
  Status Submit(const AnswerKey& key, Request request, Tenant::Permit& permit);
  // Answers requests that expired or were cancelled.
  void Sweep();
  // Drops what is kept of versions of `network` that are not ready any more.
  void DropUnloaded(const std::string& network);

  AnswerCounts counts() const;

 private:
  friend struct Flight;
  using FlightHandle = std::shared_ptr<Flight>;
  // Answers to be given without the mutex, as a sink may come back.
  using Verdicts = std::list<std::pair<Waiter, Status>>;
  using Flights = std::vector<FlightHandle>;

  // What becomes of a request that is not kept: it joins an equal one (null), or begins a flight.
  FlightHandle Board(const AnswerKey& key, Request request, Tenant::Permit& permit) SPIKESERVE_REQUIRES(mu_);
  // Begins a run for the flight's owner, who is left alone meanwhile.
  Status Begin(const FlightHandle& flight) SPIKESERVE_EXCLUDES(mu_);
  Status Run(Flight& flight) SPIKESERVE_EXCLUDES(mu_);
  // The same for who has waited so far.
  void TakeOver(const FlightHandle& flight) SPIKESERVE_EXCLUDES(mu_);
  // The flight has no run: the next one in it is to begin one, on the thread of this, or it is over.
  void PassOn(const FlightHandle& flight) SPIKESERVE_REQUIRES(mu_);
  void Close(const Flight& flight) SPIKESERVE_REQUIRES(mu_);
  // The end of the flight's run.
  void Finish(Flight& flight, const Status& status, RunOutcome outcome) SPIKESERVE_EXCLUDES(mu_);
  void Keep(const Flight& flight, const RunOutcome& outcome) SPIKESERVE_REQUIRES(mu_);

  // Takes those out that are not wanted any more, to `verdicts`; flights that end with them go to `ended`.
  // Where memory runs out on the way, the rest is still there for the next time.
  void TakeUnwanted(Flights& ended, Verdicts& verdicts) SPIKESERVE_REQUIRES(mu_);
  Clock::TimePoint NextDeadline() const SPIKESERVE_REQUIRES(mu_);
  // The thread is to look again where it would wake too late for this deadline.
  void Watch(Clock::TimePoint deadline) SPIKESERVE_REQUIRES(mu_);
  void Loop(const std::stop_token& stop);

  Batcher& batcher_;
  const Clock& clock_;
  const IsReady is_ready_;
  mutable Mutex mu_;
  std::condition_variable_any changed_;
  KeptAnswers kept_ SPIKESERVE_GUARDED_BY(mu_);
  std::map<Flight::Key, FlightHandle> flights_ SPIKESERVE_GUARDED_BY(mu_);  // those that can be joined
  std::list<FlightHandle> ownerless_ SPIKESERVE_GUARDED_BY(mu_);            // whose run is to be begun again
  Clock::TimePoint wakes_ SPIKESERVE_GUARDED_BY(mu_) = Clock::TimePoint::max();  // when the thread looks next
  bool look_ SPIKESERVE_GUARDED_BY(mu_) = false;                                 // before that
  AnswerCounts counts_ SPIKESERVE_GUARDED_BY(mu_);
  std::jthread thread_;  // last: uses what is above
};

}  // namespace spikeserve::serving
