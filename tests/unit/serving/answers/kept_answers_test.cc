#include "server/serving/answers/kept_answers.h"

#include <gtest/gtest.h>

namespace spikeserve::serving {
namespace {

std::shared_ptr<const engine::Reading> Reading(std::size_t values) {
  engine::Reading reading;
  reading.probes.push_back({1, std::vector<double>(values, 1.0), {}});
  return std::make_shared<const engine::Reading>(std::move(reading));
}

const AnswerOrigin kNetwork{"net", 1, 7};

TEST(KeptAnswers, CountsAllThatAReadingHolds) {
  engine::Reading reading;
  const std::int64_t empty = ReadingBytes(reading);
  reading.probes.push_back({2, std::vector<double>(10), std::vector<double>(100)});
  reading.records.push_back({1, 5, std::vector<double>(50)});
  reading.statistics.assign(3, std::vector<engine::LayerActivity>(4));
  reading.steps_used.assign(3, 0);
  const auto least = static_cast<std::int64_t>(160 * sizeof(double) + 12 * sizeof(engine::LayerActivity) +
                                               3 * sizeof(std::int64_t));
  EXPECT_GE(ReadingBytes(reading), empty + least);
  EXPECT_LE(ReadingBytes(reading), empty + least + 1'000);
}

TEST(KeptAnswers, KeepsWithinItsBytesAndDropsWhatWasAskedForLeastRecently) {
  KeptAnswers one(1 << 20);
  one.Keep("a", kNetwork, Reading(100));
  const std::int64_t bytes = one.bytes();
  EXPECT_GT(bytes, 800);

  KeptAnswers kept(3 * bytes);
  for (const char* key : {"a", "b", "c"}) {
    kept.Keep(key, kNetwork, Reading(100));
  }
  EXPECT_EQ(kept.bytes(), 3 * bytes);
  EXPECT_EQ(kept.evicted(), 0);
  EXPECT_TRUE(kept.Find("a"));  // now "b" is the oldest
  kept.Keep("d", kNetwork, Reading(100));
  EXPECT_EQ(kept.bytes(), 3 * bytes);
  EXPECT_EQ(kept.size(), 3);
  EXPECT_EQ(kept.evicted(), 1);
  EXPECT_FALSE(kept.Find("b"));
  EXPECT_TRUE(kept.Find("a"));
  EXPECT_TRUE(kept.Find("c"));
  EXPECT_TRUE(kept.Find("d"));
}

TEST(KeptAnswers, ALargeAnswerMakesRoomForItselfOrIsNotKept) {
  KeptAnswers kept(20'000);
  kept.Keep("a", kNetwork, Reading(100));
  kept.Keep("b", kNetwork, Reading(100));
  kept.Keep("too large", kNetwork, Reading(2'500));
  EXPECT_FALSE(kept.Find("too large"));
  EXPECT_EQ(kept.size(), 2);
  kept.Keep("large", kNetwork, Reading(2'300));
  EXPECT_TRUE(kept.Find("large"));
  EXPECT_EQ(kept.size(), 1);
  EXPECT_LE(kept.bytes(), 20'000);
}

TEST(KeptAnswers, KeepsTheFirstOfAKey) {
  KeptAnswers kept(1 << 20);
  const auto first = Reading(1);
  kept.Keep("a", kNetwork, first);
  const std::int64_t bytes = kept.bytes();
  kept.Keep("a", kNetwork, Reading(9));
  EXPECT_EQ(kept.Find("a"), first);
  EXPECT_EQ(kept.bytes(), bytes);
}

TEST(KeptAnswers, DropsThoseOfANetwork) {
  KeptAnswers kept(1 << 20);
  kept.Keep("a", {"net", 1, 7}, Reading(1));
  kept.Keep("b", {"net", 2, 8}, Reading(1));
  kept.Drop([](const AnswerOrigin& origin) { return origin.instance == 7; });
  EXPECT_FALSE(kept.Find("a"));
  EXPECT_TRUE(kept.Find("b"));
  kept.Drop([](const AnswerOrigin&) { return true; });
  EXPECT_EQ(kept.bytes(), 0);
  EXPECT_EQ(kept.evicted(), 0);
}

}  // namespace
}  // namespace spikeserve::serving
