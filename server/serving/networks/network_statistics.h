#pragma once

#include <chrono>
#include <cstdint>
#include <map>

#include "server/base/mutex.h"

namespace spikeserve::serving {

// How often something was done, and how long it took in all.
struct TimedCount {
  std::int64_t count = 0;
  double seconds = 0;
};

// What a network was used for since it was loaded. Thread-safe.
class NetworkStatistics {
 public:
  struct Snapshot {
    TimedCount succeeded;  // requests, from received to answered
    TimedCount failed;
    TimedCount queued;                                   // of those that succeeded: until a worker took them
    TimedCount computed;                                 // of those that succeeded: in the engine
    std::int64_t samples = 0;                            // of those that succeeded
    std::chrono::system_clock::time_point last_request;  // the epoch where there was none
    TimedCount cached;     // of those that succeeded: answered by what was kept, from received to answered
    TimedCount simulated;  // of those that succeeded: nothing was kept for; no time
    TimedCount runs;       // that came to their end
    std::map<std::int64_t, TimedCount> runs_by_samples;  // of the first kMaxSizes sizes that were seen
  };
  static constexpr std::size_t kMaxSizes = 128;

  void CountSuccess(std::int64_t samples, double total_s, double queue_s, double compute_s);
  // Of one that succeeded: whether an answer had been kept for it.
  void CountLookup(bool found, double total_s);
  void CountFailure(double total_s);
  // A run of `samples` samples of all its requests.
  void CountRun(std::int64_t samples, double compute_s);

  Snapshot Read() const;

 private:
  mutable Mutex mu_;
  Snapshot counts_ SPIKESERVE_GUARDED_BY(mu_);
};

}  // namespace spikeserve::serving
