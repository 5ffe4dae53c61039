#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/rpc/context/event_log.h"

namespace spikeserve::rpc {

// One call that is over.
struct CallFacts {
  std::string method;
  std::string network;
  std::int64_t version = 0;
  std::int64_t samples = 0;
  std::int64_t batch_size = 0;
  double queue_s = 0;
  double compute_s = 0;
  double total_s = 0;
  Status status;
};

// What is told of calls that are over: a line in the log for each that failed and for a share of those that
// did not. Calls that their clients gave up get one line a second, and the others a count: they come by the
// thousand. Keeps the last errors. Thread-safe.
class CallLog {
 public:
  struct Failure {
    std::chrono::system_clock::time_point at;
    CallFacts call;
  };

  // `sample_rate` is the share of successful calls that are logged. `log` and `clock` outlive this.
  CallLog(const EventLog& log, const Clock& clock, double sample_rate);
  // Tells of what was only counted yet.
  ~CallLog();
  CallLog(const CallLog&) = delete;
  CallLog& operator=(const CallLog&) = delete;

  void Write(const CallFacts& call);
  // The last failures that were not the client's going away, the newest first.
  std::vector<Failure> failures() const;

 private:
  bool TakesLine(StatusCode code);
  void TellUnwritten();
  void Keep(const CallFacts& call);

  const EventLog& log_;
  const Clock& clock_;
  const double sample_rate_;
  mutable Mutex mu_;
  double due_ SPIKESERVE_GUARDED_BY(mu_) = 0;  // of a line of a successful call, which gets it at 1
  Clock::TimePoint last_cancelled_ SPIKESERVE_GUARDED_BY(mu_) = Clock::TimePoint::min();
  std::int64_t unwritten_ SPIKESERVE_GUARDED_BY(mu_) = 0;  // cancelled calls since then
  std::deque<Failure> failures_ SPIKESERVE_GUARDED_BY(mu_);
};

}  // namespace spikeserve::rpc
