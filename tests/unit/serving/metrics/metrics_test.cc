#include "server/serving/metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spikeserve::serving {
namespace {

using ::testing::HasSubstr;

TEST(Metrics, CountsRequestsByMethodAndCode) {
  Metrics metrics("1.2.3", "cpu");
  metrics.CountRequest("Simulate", StatusCode::kOk, 0.003);
  metrics.CountRequest("Simulate", StatusCode::kOk, 0.3);
  metrics.CountRequest("Simulate", StatusCode::kResourceExhausted, 0.001);
  const std::string text = metrics.Expose();
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_requests_total{code="OK",method="Simulate"} 2)"));
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_requests_total{code="RESOURCE_EXHAUSTED",method="Simulate"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_request_seconds_bucket{method="Simulate",le="0.005"} 2)"));
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_request_seconds_count{method="Simulate"} 3)"));
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_build_info{backend="cpu",version="1.2.3"} 1)"));
}

TEST(Metrics, CountsRuns) {
  Metrics metrics("1", "cpu");
  metrics.CountRun(
      {.requests = 2, .samples = 5, .steps = 10, .spikes = 7, .queue_s = 0.01, .compute_s = 0.2});
  const std::string text = metrics.Expose();
  EXPECT_THAT(text, HasSubstr("spikeserve_samples_total 5\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_sample_steps_total 50\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_spikes_total 7\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_batch_samples_bucket{le=\"4\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_batch_samples_bucket{le=\"8\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_queue_seconds_sum 0.01"));
  EXPECT_THAT(text, HasSubstr("spikeserve_compute_seconds_count 1\n"));
}

TEST(Metrics, ReadsGaugesWhenAsked) {
  Metrics metrics("1", "cpu");
  std::int64_t queued = 3;
  metrics.SetGaugeSource([&queued] { return Gauges{queued, 2, 500, 700, 1000}; });
  EXPECT_THAT(metrics.Expose(), HasSubstr("spikeserve_queue_samples 3\n"));
  queued = 4;
  const std::string text = metrics.Expose();
  EXPECT_THAT(text, HasSubstr("spikeserve_queue_samples 4\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_networks 2\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_resident_bytes 500\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_memory_used_bytes 700\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_memory_limit_bytes 1000\n"));
}

TEST(Metrics, ConnectionsAreCountedElsewhere) {
  Metrics metrics("1", "cpu");
  Gauges gauges;
  gauges.connections = {5, {{"rate", 2}}, {{"resets", 3}}, {{"pings", 4}}};
  metrics.SetGaugeSource([&gauges] { return gauges; });
  EXPECT_THAT(metrics.Expose(), HasSubstr("spikeserve_connections 5\n"));
  gauges.connections = {1, {{"rate", 7}}, {{"resets", 3}}, {{"pings", 4}}};
  const std::string text = metrics.Expose();
  EXPECT_THAT(text, HasSubstr("spikeserve_connections 1\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_connections_refused_total{reason=\"rate\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_guard_pauses_total{rule=\"resets\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_guard_closes_total{rule=\"pings\"} 4\n"));
}

TEST(Metrics, CodesHaveTheirGrpcNames) {
  EXPECT_STREQ(CodeName(StatusCode::kOk), "OK");
  EXPECT_STREQ(CodeName(StatusCode::kDeadlineExceeded), "DEADLINE_EXCEEDED");
  EXPECT_STREQ(CodeName(StatusCode::kUnauthenticated), "UNAUTHENTICATED");
}

}  // namespace
}  // namespace spikeserve::serving
