// What is foreseen of a wait, after others turned out longer or shorter.

#include "server/serving/requests/wait_forecast.h"

#include <gtest/gtest.h>

namespace spikeserve::serving {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const Clock::TimePoint kStart = Clock::TimePoint() + std::chrono::hours(1);

void LearnOften(WaitForecast& forecast, std::size_t level, double foreseen_s, double waited_s,
                Clock::TimePoint now) {
  for (int i = 0; i < 10; ++i) {
    forecast.Learn(level, foreseen_s, waited_s, now);
  }
}

TEST(WaitForecast, BelievesTheQueueUntilItKnowsBetter) {
  WaitForecast forecast;
  EXPECT_DOUBLE_EQ(forecast.Correct(0, 0.5, kStart), 0.5);
  forecast.Learn(0, 1, 3, kStart);  // one alone keeps nobody out
  EXPECT_DOUBLE_EQ(forecast.Correct(0, 0.5, kStart), 0.5);
  LearnOften(forecast, 0, 1, 3, kStart);
  EXPECT_NEAR(forecast.Correct(0, 0.5, kStart), 1.5, 0.01);
  EXPECT_DOUBLE_EQ(forecast.Correct(1, 0.5, kStart), 0.5);  // another level
  EXPECT_DOUBLE_EQ(forecast.Correct(0, 0, kStart), 0);      // who does not wait is not held up
  EXPECT_DOUBLE_EQ(forecast.Correct(0, 100, kStart), 102);  // nobody has waited longer by more than 2 s
}

TEST(WaitForecast, NeverPromisesLessThanTheQueueNorRefusesForEver) {
  WaitForecast forecast;
  LearnOften(forecast, 0, 3, 1, kStart);
  EXPECT_DOUBLE_EQ(forecast.Correct(0, 0.5, kStart), 0.5);
  LearnOften(forecast, 1, 0.01, 100, kStart);
  EXPECT_NEAR(forecast.Correct(1, 0.5, kStart), 8.5, 0.1);
  EXPECT_NEAR(forecast.Correct(1, 0.5, kStart + seconds(60)), 0.5, 0.01);
}

TEST(WaitForecast, HoldsForNearlyAllAndNotForTheMeanAlone) {
  WaitForecast forecast;
  for (int i = 0; i < 100; ++i) {
    forecast.Learn(0, 0.01, i % 10 == 0 ? 0.04 : 0.01, kStart);  // one of ten waits for four times as long
  }
  EXPECT_NEAR(forecast.Correct(0, 0.01, kStart), 0.04, 1e-9);
  for (int i = 0; i < 900; ++i) {
    forecast.Learn(0, 0.01, 0.01, kStart);  // and then one of 100
  }
  EXPECT_DOUBLE_EQ(forecast.Correct(0, 0.01, kStart), 0.01);
}

TEST(WaitForecast, TriesAgainWhenNobodyIsLeftToShowThatWaitsHaveBecomeShorter) {
  WaitForecast forecast;
  LearnOften(forecast, 0, 0.01, 1, kStart);
  forecast.LetIn(0, kStart);
  EXPECT_GT(forecast.Correct(0, 0.01, kStart), 0.05);
  EXPECT_FALSE(forecast.MayTry(0, 0.1, kStart + milliseconds(50)));
  EXPECT_TRUE(forecast.MayTry(0, 0.1, kStart + milliseconds(100)));
  EXPECT_TRUE(forecast.MayTry(1, 0.1, kStart + milliseconds(100)));  // another level
  Clock::TimePoint now = kStart + milliseconds(100);
  for (int tried = 1; tried < 4; ++tried) {
    forecast.LetIn(0, now);
    EXPECT_FALSE(forecast.MayTry(0, 0.1, now + milliseconds(50)));
    now += milliseconds(100);
    forecast.Learn(0, 0.01, 0.01, now);
    EXPECT_TRUE(forecast.MayTry(0, 0.1, now));
  }
  EXPECT_DOUBLE_EQ(forecast.Correct(0, 0.01, now), 0.01);
}

TEST(WaitForecast, WhatIsNewerCountsMore) {
  WaitForecast forecast;
  LearnOften(forecast, 0, 1, 10, kStart);
  LearnOften(forecast, 0, 1, 1, kStart + seconds(12));
  EXPECT_LT(forecast.Correct(0, 1, kStart + seconds(12)), 1.5);
}

}  // namespace
}  // namespace spikeserve::serving
