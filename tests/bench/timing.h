#pragma once

#include <functional>
#include <vector>

namespace spikeserve::bench {

// Seconds per call over several repetitions.
struct Times {
  double median = 0;
  double spread = 0;  // (longest - shortest) / median
};

Times Summarise(std::vector<double> seconds);

// Times the bodies in turn, `repetitions` rounds, so that what disturbs the machine disturbs all of them.
// Every time is the mean of as many calls as fill `window` seconds, at least one. Each body is called once
// before; a pause before each keeps the idle threads of the one before, which spin for a while, out of its
// time.
std::vector<Times> TimeInTurn(const std::vector<std::function<void()>>& bodies, int repetitions,
                              double window);

}  // namespace spikeserve::bench
