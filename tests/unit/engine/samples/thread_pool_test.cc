#include "server/engine/samples/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

namespace spikeserve::engine {
namespace {

TEST(ThreadPool, VisitsEveryIndexOnce) {
  ThreadPool pool(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<int> visits(101, 0);
    pool.For(101, [&](std::int64_t index, std::int64_t thread) {
      ASSERT_LT(thread, pool.threads());
      ++visits[static_cast<std::size_t>(index)];
    });
    EXPECT_EQ(visits, std::vector<int>(101, 1));
  }
}

// A loop that another caller has begun does not hold up this one, whichever threads it has taken.
TEST(ThreadPool, LoopsOfSeveralCallersRunAtTheSameTime) {
  ThreadPool pool(2);
  std::atomic<bool> short_one_done = false;
  std::atomic<int> begun = 0;
  std::jthread other([&] {
    pool.For(2, [&](std::int64_t, std::int64_t) {
      ++begun;
      short_one_done.wait(false);
    });
  });
  while (begun < 2) {
    std::this_thread::yield();
  }
  int visits = 0;
  pool.For(5, [&](std::int64_t, std::int64_t thread) {
    EXPECT_EQ(thread, 0);
    ++visits;
  });
  EXPECT_EQ(visits, 5);
  short_one_done = true;
  short_one_done.notify_all();
}

TEST(ThreadPool, RethrowsAndGoesOn) {
  ThreadPool pool(2);
  EXPECT_THROW(pool.For(8, [](std::int64_t, std::int64_t) { throw std::runtime_error("body"); }),
               std::runtime_error);
  int sum = 0;
  pool.For(1, [&](std::int64_t, std::int64_t) { ++sum; });
  EXPECT_EQ(sum, 1);
}

}  // namespace
}  // namespace spikeserve::engine
