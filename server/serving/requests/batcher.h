#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include "server/base/clock.h"
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

// Bounded queues of requests, one per kind of run. A free worker pulls the next batch at the moment it
// can run it, so that a batch fills for as long as all workers are busy. Thread-safe.
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

  Dropped DropUnwanted();
  static void Answer(Dropped dropped);
  bool IsDue(const Queue& queue) const;
  std::optional<Batch> TakeDue();
  Batch TakeFrom(Queue& queue);
  Clock::TimePoint NextEvent() const;
  void AwaitChange(std::unique_lock<std::mutex>& lock, std::stop_token stop);

  const BatcherOptions options_;
  const Clock& clock_;
  mutable std::mutex mu_;
  std::condition_variable_any changed_;
  std::list<Queue> queues_;   // guarded by mu_; the front is served first, then goes to the back
  std::int64_t queued_ = 0;   // guarded by mu_; samples in queues_
  std::int64_t changes_ = 0;  // guarded by mu_; counts what a waiting worker should look at
  bool closed_ = false;       // guarded by mu_
};

}  // namespace spikeserve::serving
