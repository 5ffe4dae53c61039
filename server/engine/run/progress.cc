#include "server/engine/run/progress.h"

#include <string>

namespace spikeserve::engine {

Status Progress::Check(std::int64_t steps) const {
  const std::int64_t left = steps_ - done_;
  if (steps < 1 || steps > left || (in_one_ && steps != left)) {
    return InvalidArgument("steps: got " + std::to_string(steps) + ", " + std::to_string(left) + " remain" +
                           (in_one_ ? " and are to be run in one" : ""));
  }
  if (!fed_) {
    return FailedPrecondition("a sample was reset and has no inputs yet");
  }
  return {};
}

void Progress::Feed() {
  fed_at_ = done_;
  fed_ = true;
}

}  // namespace spikeserve::engine
