#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace spikeserve::testing {

// Lets a test hold threads at a point and know that they are there. Starts closed. Thread-safe.
class Gate {
 public:
  // Waits until the gate is open.
  void Pass() {
    std::unique_lock lock(mu_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void Open() {
    const std::lock_guard lock(mu_);
    open_ = true;
    changed_.notify_all();
  }
  // Waits until `count` calls of Pass have begun.
  void AwaitArrivals(std::int64_t count) {
    std::unique_lock lock(mu_);
    changed_.wait(lock, [&] { return arrived_ >= count; });
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  std::int64_t arrived_ = 0;
  bool open_ = false;
};

}  // namespace spikeserve::testing
