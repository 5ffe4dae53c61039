#include "server/serving/networks/network_statistics.h"

#include <gtest/gtest.h>

namespace spikeserve::serving {
namespace {

TEST(NetworkStatisticsTest, AddsUpRequestsAndRuns) {
  NetworkStatistics statistics;
  EXPECT_EQ(statistics.Read().last_request, std::chrono::system_clock::time_point());
  statistics.CountSuccess(64, 0.5, 0.125, 0.25);
  statistics.CountSuccess(1, 0.25, 0.125, 0.125);
  statistics.CountFailure(2);
  statistics.CountRun(65, 0.25);
  const NetworkStatistics::Snapshot counts = statistics.Read();
  EXPECT_EQ(counts.succeeded.count, 2);
  EXPECT_EQ(counts.succeeded.seconds, 0.75);
  EXPECT_EQ(counts.queued.seconds, 0.25);
  EXPECT_EQ(counts.computed.count, 2);
  EXPECT_EQ(counts.computed.seconds, 0.375);
  EXPECT_EQ(counts.failed.count, 1);
  EXPECT_EQ(counts.failed.seconds, 2);
  EXPECT_EQ(counts.samples, 65);
  EXPECT_EQ(counts.runs.count, 1);
  EXPECT_EQ(counts.runs_by_samples.at(65).seconds, 0.25);
  EXPECT_GT(counts.last_request, std::chrono::system_clock::time_point());
}

TEST(NetworkStatisticsTest, KeepsABoundedNumberOfSizes) {
  NetworkStatistics statistics;
  constexpr std::int64_t kSizes = 1000;
  for (std::int64_t samples = 1; samples <= kSizes; ++samples) {
    statistics.CountRun(samples, 1);
    statistics.CountRun(1, 1);
  }
  const NetworkStatistics::Snapshot counts = statistics.Read();
  EXPECT_EQ(counts.runs.count, 2 * kSizes);
  EXPECT_EQ(counts.runs_by_samples.size(), NetworkStatistics::kMaxSizes);
  EXPECT_EQ(counts.runs_by_samples.at(1).count, kSizes + 1);
}

}  // namespace
}  // namespace spikeserve::serving
