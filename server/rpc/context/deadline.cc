#include "server/rpc/context/deadline.h"

#include <cstdint>

namespace spikeserve::rpc {

std::chrono::system_clock::time_point DeadlineOf(const grpc::ServerContextBase& call) {
  return ToSystemTime(call.raw_deadline());
}

std::chrono::system_clock::time_point ToSystemTime(gpr_timespec time) {
  using std::chrono::duration_cast;
  using std::chrono::seconds;
  using std::chrono::system_clock;
  using TimePoint = system_clock::time_point;
  // A second less, for what the nanoseconds add.
  constexpr std::int64_t kLast = duration_cast<seconds>(TimePoint::max().time_since_epoch()).count() - 1;
  const gpr_timespec wall = gpr_convert_clock_type(time, GPR_CLOCK_REALTIME);
  if (wall.tv_sec >= kLast) {
    return TimePoint::max();
  }
  if (wall.tv_sec < 0) {
    return TimePoint();  // long ago, too; but an age can be counted from there
  }
  const auto since_epoch = seconds(wall.tv_sec) + std::chrono::nanoseconds(wall.tv_nsec);
  return TimePoint(duration_cast<system_clock::duration>(since_epoch));
}

Clock::TimePoint ToMonotonic(std::chrono::system_clock::time_point deadline, const Clock& clock) {
  // Keeps time-point arithmetic away from its limits.
  constexpr std::chrono::hours kFarthest{24 * 365};
  const auto now = std::chrono::system_clock::now();
  if (deadline > now + kFarthest) {
    return Clock::TimePoint::max();
  }
  return clock.Now() + (deadline - now);
}

}  // namespace spikeserve::rpc
