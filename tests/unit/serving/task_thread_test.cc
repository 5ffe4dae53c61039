#include "server/serving/task_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/support/gate.h"

namespace spikeserve::serving {
namespace {

TEST(TaskThread, RunsAllInOrderAlsoWhatIsLeftAtItsEnd) {
  std::vector<int> order;  // touched by the one thread
  spikeserve::testing::Gate gate;
  {
    TaskThread tasks;
    tasks.Post([&] { gate.Pass(); });
    for (int i = 0; i < 5; ++i) {
      tasks.Post([&order, i] { order.push_back(i); });
    }
    gate.Open();
  }
  EXPECT_THAT(order, ::testing::ElementsAre(0, 1, 2, 3, 4));
}

TEST(TaskThread, DropsATaskBeforeTheNext) {
  TaskThread tasks;
  auto held = std::make_shared<int>(0);
  const std::weak_ptr<int> watched = held;
  bool gone = false;
  tasks.Post([held] { static_cast<void>(held); });
  held.reset();
  spikeserve::testing::Gate done;
  tasks.Post([&] {
    gone = watched.expired();
    done.Pass();
  });
  done.AwaitArrivals(1);
  EXPECT_TRUE(gone);
  done.Open();
}

}  // namespace
}  // namespace spikeserve::serving
