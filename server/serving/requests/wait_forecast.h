#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "server/base/clock.h"

namespace spikeserve::serving {

// How much longer others hold up requests than their queue lets foresee: the rest of the server takes
// time as well, and some who come later are served first. What is promised is to hold for nearly all, so it
// is not the mean that counts. Counted by level of cost, as the fair share of small requests is disturbed by
// other things than that of large ones. What was seen four seconds ago counts a third of what is seen now:
// waits that follow each other turn out alike, so that one second would not tell how much they vary, and an
// overload is forgotten soon after it. By one thread at a time.
class WaitForecast {
 public:
  static constexpr std::size_t kLevels = 6;

  // A wait that the queue lets foresee, in seconds, as it will be at most for 19 of 20. None stays none.
  double Correct(std::size_t level, double foreseen_s, Clock::TimePoint now) {
    if (foreseen_s <= 0) {
      return 0;
    }
    const Seen& seen = Fade(level, now);
    return foreseen_s + std::min(Sure(seen) * (foreseen_s + kSlackSeconds), seen.excess_s);
  }
  // One of the level is let in, and will show how long it was held up.
  void LetIn(std::size_t level, Clock::TimePoint now) { levels_.at(level).let_in = now; }
  // Whether one is to be let in against what Correct says, who will be answered or given up within
  // `within_s`: where the last one that was let in must be over, nobody is left to show that waits have
  // become shorter. What was seen counts half then.
  bool MayTry(std::size_t level, double within_s, Clock::TimePoint now) {
    Seen& seen = Fade(level, now);
    if (std::chrono::duration<double>(now - seen.let_in).count() < within_s) {
      return false;
    }
    Keep(seen, kTried);
    return true;
  }
  // A request was to be held up for `foreseen_s`, and was for `waited_s`.
  void Learn(std::size_t level, double foreseen_s, double waited_s, Clock::TimePoint now) {
    Seen& seen = Fade(level, now);
    const double excess_s = waited_s - foreseen_s;
    seen.counts.at(BucketOf(excess_s / (foreseen_s + kSlackSeconds))) += 1;
    seen.excess_s = std::max(seen.excess_s, excess_s);
  }

 private:
  // Times that are of no account beside what is foreseen.
  static constexpr double kSlackSeconds = 2e-3;
  static constexpr double kSure = 0.95;
  // As many have been seen of whom nothing is known: a few that waited for long are to keep nobody out, least
  // of all for good, when nobody who is let in shows that it is over.
  static constexpr double kDoubt = 20;
  static constexpr double kMemorySeconds = 4;
  static constexpr double kTried = 0.5;
  // Bounds of the buckets but the first, which has those that did not wait longer: twice the last one each
  // second step.
  static constexpr std::size_t kBuckets = 20;
  static constexpr double kFinest = 1.0 / 32;

  struct Seen {
    std::array<double, kBuckets> counts{};
    double excess_s = 0;  // the most: what short waits show says little of long ones
    Clock::TimePoint faded{};
    Clock::TimePoint let_in{};  // the last one
  };

  static std::size_t BucketOf(double error) {
    if (!(error > 0)) {
      return 0;
    }
    const double steps = std::ceil(2 * std::log2(error / kFinest));
    return 1 + static_cast<std::size_t>(std::clamp(steps, 0.0, static_cast<double>(kBuckets - 2)));
  }
  // The error, in parts of what was foreseen, that was not exceeded.
  static double Sure(const Seen& seen) {
    double left = kDoubt;
    for (const double count : seen.counts) {
      left += count;
    }
    left *= 1 - kSure;
    std::size_t bucket = kBuckets - 1;
    while (bucket > 0 && seen.counts.at(bucket) <= left) {
      left -= seen.counts.at(bucket--);
    }
    return bucket == 0 ? 0 : kFinest * std::exp2(static_cast<double>(bucket - 1) / 2);
  }

  static void Keep(Seen& seen, double part) {
    for (double& count : seen.counts) {
      count *= part;
    }
    seen.excess_s *= part;
  }
  Seen& Fade(std::size_t level, Clock::TimePoint now) {
    Seen& seen = levels_.at(level);
    if (now > seen.faded) {
      Keep(seen, std::exp(-std::chrono::duration<double>(now - seen.faded).count() / kMemorySeconds));
      seen.faded = now;
    }
    return seen;
  }

  std::array<Seen, kLevels> levels_;
};

}  // namespace spikeserve::serving
