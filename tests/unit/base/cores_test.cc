#include "server/base/cores.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <thread>

namespace spikeserve {
namespace {

TEST(Cores, CountsThoseThatTheThreadMayUse) {
  EXPECT_GE(UsableCores(), 1);
  EXPECT_LE(UsableCores(), std::max(1U, std::thread::hardware_concurrency()));
  std::thread confined([] {  // a thread of its own, whose cores are its own
    cpu_set_t all;
    ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
    int first = 0;
    while (!CPU_ISSET(first, &all)) {
      ++first;
    }
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    EXPECT_EQ(UsableCores(), 1);
  });
  confined.join();
}

}  // namespace
}  // namespace spikeserve
