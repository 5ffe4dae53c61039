#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <thread>

#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/rpc/context/event_log.h"

namespace spikeserve::app {

// Tries again and again whether the server takes connections: gRPC stops listening for good, and silently,
// once it has run out of file descriptors. ok() is for any thread.
class ListenerWatch {
 public:
  struct Options {
    std::chrono::milliseconds interval{3'000};
    int max_failures = 3;  // in a row
  };

  // `probe` tries once; `lost` is called once, by the watch's own thread, when it has failed too often. `log`
  // outlives the watch.
  ListenerWatch(std::function<Status()> probe, std::function<void()> lost, const rpc::EventLog& log,
                const Options& options);

  // Whether the last try succeeded.
  bool ok() const { return ok_; }

 private:
  void Watch(std::stop_token stop);
  // False once it has failed too often.
  bool TryOnce();

  const std::function<Status()> probe_;
  const std::function<void()> lost_;
  const rpc::EventLog& log_;
  const Options options_;
  int failures_ = 0;
  std::atomic<bool> ok_ = true;
  Mutex mu_;  // guards nothing: what waits needs one
  std::condition_variable_any stopped_;
  std::jthread thread_;  // last: uses what is above
};

}  // namespace spikeserve::app
