#include "server/transport/token_bucket.h"

#include <gtest/gtest.h>

namespace spikeserve::testing {
namespace {

using transport::TokenBucket;

const Clock::TimePoint kStart = Clock::TimePoint() + std::chrono::hours(1);

TEST(TokenBucket, HasABurstAndThenItsRate) {
  TokenBucket bucket(10, 3);
  EXPECT_TRUE(bucket.Take(3, kStart));
  EXPECT_FALSE(bucket.Take(1, kStart));
  EXPECT_EQ(bucket.Debt(kStart), std::chrono::milliseconds(100));
  EXPECT_EQ(bucket.Debt(kStart + std::chrono::milliseconds(100)).count(), 0);
  EXPECT_FALSE(bucket.Take(1, kStart + std::chrono::milliseconds(150)));
  EXPECT_TRUE(bucket.Take(1, kStart + std::chrono::milliseconds(300)));
}

TEST(TokenBucket, NeverHoldsMoreThanItsBurst) {
  TokenBucket bucket(10, 3);
  bucket.Give(100);
  EXPECT_FALSE(bucket.Take(4, kStart));
  EXPECT_FALSE(bucket.Take(4, kStart + std::chrono::hours(1)));
  EXPECT_FALSE(bucket.full(kStart + std::chrono::hours(1)));
  EXPECT_TRUE(bucket.full(kStart + std::chrono::hours(2)));
}

TEST(TokenBucket, PaysADebtWithWhatIsGiven) {
  TokenBucket bucket(1, 1);
  EXPECT_FALSE(bucket.Take(11, kStart));
  EXPECT_EQ(bucket.Debt(kStart), std::chrono::seconds(10));
  bucket.Give(10);
  EXPECT_EQ(bucket.Debt(kStart).count(), 0);
}

}  // namespace
}  // namespace spikeserve::testing
