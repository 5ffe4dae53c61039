#include "server/rpc/context/deadline.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>

namespace spikeserve::rpc {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using std::chrono::system_clock;

gpr_timespec FromNow(std::int64_t after_s, gpr_clock_type clock) {
  gpr_timespec time = gpr_now(clock);
  time.tv_sec += after_s;
  return time;
}

class DeadlineTest : public ::testing::TestWithParam<gpr_clock_type> {};

TEST_P(DeadlineTest, IsThatOfTheClient) {
  for (const std::int64_t after_s : {0, 1, 3600, 86'400 * 365, 86'400 * 365 * 50}) {
    const auto difference =
        ToSystemTime(FromNow(after_s, GetParam())) - (system_clock::now() + seconds(after_s));
    EXPECT_LT(difference, seconds(5)) << after_s;
    EXPECT_GT(difference, seconds(-5)) << after_s;
  }
}

TEST_P(DeadlineTest, NeverOverflows) {
  const auto far = system_clock::now() + hours(24 * 365 * 100);
  // The longest that a client may send: eight digits of hours.
  for (const std::int64_t after_s : {std::int64_t{99'999'999} * 3600, std::int64_t{9'999'999} * 3600,
                                     std::int64_t{9'223'372'036}, std::int64_t{1} << 60}) {
    EXPECT_GT(ToSystemTime(FromNow(after_s, GetParam())), far) << after_s;
  }
  EXPECT_EQ(ToSystemTime(gpr_inf_future(GetParam())), system_clock::time_point::max());
  EXPECT_LT(ToSystemTime(gpr_inf_past(GetParam())), system_clock::now());
  gpr_timespec last = gpr_now(GetParam());
  last.tv_sec = std::numeric_limits<std::int64_t>::max() - 1;
  last.tv_nsec = 999'999'999;
  if (GetParam() == GPR_CLOCK_REALTIME) {
    EXPECT_EQ(ToSystemTime(last), system_clock::time_point::max());
  }
}

// The whole range about the last second that the clock has.
TEST(Deadline, EndsWhereTheClockDoes) {
  const std::int64_t last =
      std::chrono::duration_cast<seconds>(system_clock::time_point::max().time_since_epoch()).count();
  auto before = system_clock::time_point::min();
  for (std::int64_t at = last - 5; at <= last + 5; ++at) {
    const auto time = ToSystemTime({at, 999'999'999, GPR_CLOCK_REALTIME});
    EXPECT_GE(time, before) << at;
    before = time;
  }
  EXPECT_EQ(before, system_clock::time_point::max());
}

TEST(Deadline, OfThePastIsInThePast) {
  for (const std::int64_t at :
       {std::int64_t{-1}, std::int64_t{0}, std::numeric_limits<std::int64_t>::min()}) {
    EXPECT_LE(ToSystemTime({at, 0, GPR_CLOCK_REALTIME}), system_clock::time_point());
  }
}

INSTANTIATE_TEST_SUITE_P(Clocks, DeadlineTest, ::testing::Values(GPR_CLOCK_REALTIME, GPR_CLOCK_MONOTONIC));

}  // namespace
}  // namespace spikeserve::rpc
