#include "server/engine/run/early_exit.h"

#include <algorithm>
#include <limits>

namespace spikeserve::engine {

double Margin(std::span<const double> values) {
  double best = -std::numeric_limits<double>::infinity();
  double second = best;
  for (const double value : values) {
    second = std::max(second, std::min(best, value));
    best = std::max(best, value);
  }
  return best - second;
}

std::int64_t NextCheck(const EarlyExit& exit, std::int64_t done) {
  const std::int64_t beyond = done - exit.min_steps;
  return beyond < 0 ? exit.min_steps : done + exit.check_every - beyond % exit.check_every;
}

}  // namespace spikeserve::engine
