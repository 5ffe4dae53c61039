#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/serving/requests/request.h"

namespace spikeserve::serving {

struct BatcherOptions {
  std::int64_t max_batch = 64;             // samples of one run, unless one request alone has more
  std::chrono::microseconds max_delay{0};  // how long a request waits for others to join it
  std::int64_t max_queue = 8192;           // samples waiting
};

// Requests that run together; all can share a batch.
using Batch = std::vector<Request>;

// Bounded queues of requests, one per kind of run and priority. A free worker pulls the next batch at the
// moment it can run it, so that a batch fills for as long as all workers are busy. Thread-safe.
class Batcher {
 public:
  // `clock` outlives the batcher.
  Batcher(const BatcherOptions& options, const Clock& clock) : options_(options), clock_(clock) {}

  // Never blocks. RESOURCE_EXHAUSTED when full, UNAVAILABLE when closed; the sink is called only where
  // the answer was OK.
  Status Submit(Request request);

  // The next batch as soon as one is due; nothing when stopped, or when closed and empty.
  std::optional<Batch> Next(std::stop_token stop);
  // The batch that is due now, if any.
  std::optional<Batch> Poll();

  // Answers requests that expired or were cancelled, although no worker is free.
  void Sweep();
  // Refuses new requests; what waits is due at once.
  void Close();
  // Answers all that wait with `status`.
  void FailQueued(const Status& status);

  std::int64_t queued_samples() const;
  const BatcherOptions& options() const { return options_; }

 private:
  using Queue = std::deque<Request>;  // never empty, in order of arrival
  using Dropped = std::vector<std::pair<Request, Status>>;

  // Takes requests that expired or were cancelled out of the queues.
  Dropped DropUnwanted() SPIKESERVE_REQUIRES(mu_);
  // Without the mutex, as a sink may come back to the batcher.
  void Answer(Dropped dropped) SPIKESERVE_EXCLUDES(mu_);
  bool IsDue(const Queue& queue) const SPIKESERVE_REQUIRES(mu_);
  std::optional<Batch> TakeDue() SPIKESERVE_REQUIRES(mu_);
  // Takes in order of arrival, at least one request.
  Batch TakeFrom(Queue& queue) SPIKESERVE_REQUIRES(mu_);
  // When, without news, something is due or expires.
  Clock::TimePoint NextEvent() const SPIKESERVE_REQUIRES(mu_);
  // Waits for news since nothing was found due, the mutex having been held since.
  void AwaitChange(std::stop_token stop) SPIKESERVE_REQUIRES(mu_);

  const BatcherOptions options_;
  const Clock& clock_;
  mutable Mutex mu_;
  std::condition_variable_any changed_;
  // Within a priority the front is served first, then goes to the back.
  std::list<Queue> queues_ SPIKESERVE_GUARDED_BY(mu_);
  // Samples in queues_.
  std::int64_t queued_ SPIKESERVE_GUARDED_BY(mu_) = 0;
  // Counts what a waiting worker should look at.
  std::int64_t changes_ SPIKESERVE_GUARDED_BY(mu_) = 0;
  bool closed_ SPIKESERVE_GUARDED_BY(mu_) = false;
};

}  // namespace spikeserve::serving
