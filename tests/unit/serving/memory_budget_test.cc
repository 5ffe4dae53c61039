#include "server/serving/memory_budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <thread>
#include <utility>
#include <vector>

namespace spikeserve::serving {
namespace {

using ::testing::HasSubstr;

TEST(MemoryBudget, GivesBackOnDestruction) {
  MemoryBudget budget(100);
  {
    const auto reservation = budget.Reserve(60, "a run");
    ASSERT_TRUE(reservation.ok());
    EXPECT_EQ(budget.used_bytes(), 60);
  }
  EXPECT_EQ(budget.used_bytes(), 0);
}

TEST(MemoryBudget, RefusalNamesWhatAndHowMuch) {
  MemoryBudget budget(100);
  const auto held = budget.Reserve(60, "a run");
  const auto refused = budget.Reserve(41, "the network");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.status().message(), HasSubstr("the network: needs 41 bytes, 40 available of 100"));
  EXPECT_EQ(budget.used_bytes(), 60);
}

TEST(MemoryBudget, TakesWhatIsExactlyLeft) {
  MemoryBudget budget(100);
  const auto first = budget.Reserve(60, "a");
  EXPECT_TRUE(budget.Reserve(40, "b").ok());
}

TEST(MemoryBudget, RefusesSizesThatWouldOverflow) {
  MemoryBudget budget(100);
  const auto held = budget.Reserve(60, "a");
  EXPECT_EQ(budget.Reserve(std::numeric_limits<std::int64_t>::max(), "b").status().code(),
            StatusCode::kResourceExhausted);
  EXPECT_EQ(budget.Reserve(-1, "c").status().code(), StatusCode::kInternal);
  EXPECT_EQ(budget.used_bytes(), 60);
}

TEST(MemoryBudget, MovingKeepsOneOwner) {
  MemoryBudget budget(100);
  auto first = budget.Reserve(30, "a").value();
  MemoryBudget::Reservation moved = std::move(first);
  EXPECT_EQ(moved.bytes(), 30);
  EXPECT_EQ(budget.used_bytes(), 30);
  auto other = budget.Reserve(20, "b").value();
  other = std::move(moved);  // gives back its own 20
  EXPECT_EQ(budget.used_bytes(), 30);
}

TEST(MemoryBudget, ShrinksButNeverGrows) {
  MemoryBudget budget(100);
  auto reservation = budget.Reserve(50, "a").value();
  reservation.ShrinkTo(20);
  EXPECT_EQ(budget.used_bytes(), 20);
  reservation.ShrinkTo(80);
  EXPECT_EQ(budget.used_bytes(), 20);
  reservation.ShrinkTo(-1);
  EXPECT_EQ(budget.used_bytes(), 20);
}

TEST(MemoryBudget, ManyThreadsNeverPassTheLimit) {
  MemoryBudget budget(10);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&budget] {
      for (int i = 0; i < 1000; ++i) {
        const auto reservation = budget.Reserve(4, "a");
        EXPECT_LE(budget.used_bytes(), 10);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(budget.used_bytes(), 0);
}

}  // namespace
}  // namespace spikeserve::serving
