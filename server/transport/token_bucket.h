#pragma once

#include <algorithm>
#include <chrono>

#include "server/base/clock.h"

namespace spikeserve::transport {

// How often something may happen: so often a second in the long run, and a burst at once. It starts full. By
// one thread.
class TokenBucket {
 public:
  TokenBucket(double per_second, double burst) : per_second_(per_second), burst_(burst), level_(burst) {}

  // Takes `count`; false where there is not as much, which is then owed.
  bool Take(double count, Clock::TimePoint now) {
    Fill(now);
    level_ -= count;
    return level_ >= 0;
  }
  // Gives back, up to the burst.
  void Give(double count) { level_ = std::min(burst_, level_ + count); }

  // Until nothing is owed any more; zero where nothing is.
  Clock::TimePoint::duration Debt(Clock::TimePoint now) {
    Fill(now);
    const std::chrono::duration<double> owed(level_ < 0 ? -level_ / per_second_ : 0);
    return std::chrono::duration_cast<Clock::TimePoint::duration>(owed);
  }
  // Whether it is as if nothing had ever been taken.
  bool full(Clock::TimePoint now) const {
    return level_ + std::chrono::duration<double>(now - filled_).count() * per_second_ >= burst_;
  }

 private:
  void Fill(Clock::TimePoint now) {
    if (now > filled_) {
      Give(std::chrono::duration<double>(now - filled_).count() * per_second_);
    }
    filled_ = now;
  }

  double per_second_;
  double burst_;
  double level_;
  Clock::TimePoint filled_;
};

}  // namespace spikeserve::transport
