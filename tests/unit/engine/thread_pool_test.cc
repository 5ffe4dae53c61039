#include "server/engine/thread_pool.h"

#include <gtest/gtest.h>

#include <stdexcept>

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
