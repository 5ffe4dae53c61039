#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "server/base/clock.h"

namespace spikeserve::serving {

// How much longer requests wait for their turn than their queue lets foresee: the rest of the server takes
// time as well, and some who come later are served first. Counted by level of cost, as the fair share of
// small requests is disturbed by other things than that of large ones. What was seen a second ago counts a
// third of what is seen now, so that an overload is forgotten soon after it. By one thread at a time.
class WaitForecast {
 public:
  static constexpr std::size_t kLevels = 6;

  // A wait that the queue lets foresee, in seconds, as it will be.
  double Correct(std::size_t level, double foreseen_s, Clock::TimePoint now) {
    const Seen& seen = Fade(level, now);
    const double factor = (seen.waited_s + kSlackSeconds) / (seen.foreseen_s + kSlackSeconds);
    return foreseen_s + std::min(foreseen_s * (std::clamp(factor, 1.0, kMostFactor) - 1), seen.excess_s);
  }
  // A request was to wait `foreseen_s` and has waited `waited_s` when its turn came.
  void Learn(std::size_t level, double foreseen_s, double waited_s, Clock::TimePoint now) {
    Seen& seen = Fade(level, now);
    seen.foreseen_s += foreseen_s;
    seen.waited_s += waited_s;
    seen.excess_s = std::max(seen.excess_s, waited_s - foreseen_s);
  }

 private:
  // Times that are of no account.
  static constexpr double kSlackSeconds = 2e-3;
  static constexpr double kMostFactor = 16;

  struct Seen {
    double foreseen_s = 0;
    double waited_s = 0;
    double excess_s = 0;  // the most: what short waits show says little of long ones
    Clock::TimePoint faded{};
  };

  Seen& Fade(std::size_t level, Clock::TimePoint now) {
    Seen& seen = levels_.at(level);
    if (now > seen.faded) {
      const double kept = std::exp(-std::chrono::duration<double>(now - seen.faded).count());
      seen.foreseen_s *= kept;
      seen.waited_s *= kept;
      seen.excess_s *= kept;
      seen.faded = now;
    }
    return seen;
  }

  std::array<Seen, kLevels> levels_;
};

}  // namespace spikeserve::serving
