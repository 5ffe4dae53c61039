#pragma once

#include <atomic>
#include <chrono>

#include "server/base/clock.h"

namespace spikeserve::testing {

// Stands still until it is told to go on. Thread-safe.
class FakeClock final : public Clock {
 public:
  TimePoint Now() const override { return TimePoint(std::chrono::nanoseconds(now_ns_.load())); }
  void Advance(std::chrono::nanoseconds by) { now_ns_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_ns_ = std::chrono::nanoseconds(std::chrono::hours(1)).count();
};

}  // namespace spikeserve::testing
