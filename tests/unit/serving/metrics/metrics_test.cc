#include "server/serving/metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spikeserve::serving {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Metrics, CountsRequestsByMethodAndCode) {
  Metrics metrics("1.2.3", "cpu");
  metrics.CountRequest({.method = "Simulate", .code = StatusCode::kOk, .seconds = 0.003});
  metrics.CountRequest({.method = "Simulate", .code = StatusCode::kOk, .seconds = 0.3});
  metrics.CountRequest({.method = "Simulate",
                        .code = StatusCode::kResourceExhausted,
                        .seconds = 0.001,
                        .rejection = "max-queue"});
  const std::string text = metrics.Expose();
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_requests_total{code="OK",method="Simulate"} 2)"));
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_requests_total{code="RESOURCE_EXHAUSTED",method="Simulate"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_request_seconds_bucket{method="Simulate",le="0.005"} 2)"));
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_request_seconds_count{method="Simulate"} 3)"));
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_rejections_total{reason="max-queue"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_build_info{backend="cpu",version="1.2.3"} 1)"));
}

TEST(Metrics, CountsRuns) {
  Metrics metrics("1", "cpu");
  metrics.CountRun({.requests = 2,
                    .samples = 5,
                    .steps = 10,
                    .spikes = 7,
                    .queue_s = 0.01,
                    .compute_s = 0.2,
                    .released = "full"});
  const std::string text = metrics.Expose();
  EXPECT_THAT(text, HasSubstr("spikeserve_samples_total 5\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_sample_steps_total 50\n"));
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_batch_releases_total{reason="full"} 1)"));
  EXPECT_THAT(text, HasSubstr("spikeserve_spikes_total 7\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_batch_samples_bucket{le=\"4\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_batch_samples_bucket{le=\"8\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_queue_seconds_sum 0.01"));
  EXPECT_THAT(text, HasSubstr("spikeserve_compute_seconds_count 1\n"));
}

TEST(Metrics, ShowsTheResponseCacheWhereThereIsOne) {
  Metrics metrics("1", "cpu");
  Gauges gauges;
  metrics.SetGaugeSource([&gauges] { return gauges; });
  EXPECT_THAT(metrics.Expose(), Not(HasSubstr("spikeserve_response_cache")));
  gauges.answers = {.hits = 1, .misses = 2, .coalesced = 3, .evicted = 4, .kept = 5, .bytes = 6};
  metrics.Expose();
  const std::string text = metrics.Expose();
  EXPECT_THAT(text, HasSubstr("spikeserve_response_cache_requests_total{result=\"hit\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_response_cache_requests_total{result=\"miss\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_response_cache_requests_total{result=\"coalesced\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_response_cache_evictions_total 4\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_response_cache_answers 5\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_response_cache_bytes 6\n"));
}

TEST(Metrics, CountsColdStartsAndEvictions) {
  Metrics metrics("1", "cpu");
  metrics.CountColdStart(0.02);
  metrics.CountColdStart(2);
  metrics.CountFailedColdStart();
  metrics.CountEviction();
  const std::string text = metrics.Expose();
  EXPECT_THAT(text, HasSubstr("spikeserve_cold_start_seconds_bucket{le=\"0.03\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_cold_start_seconds_count 2\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_cold_start_failures_total 1\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_network_evictions_total 1\n"));
}

TEST(Metrics, ForgetsTenantsThatAreGone) {
  Metrics metrics("1", "cpu");
  std::set<std::string> tenants{"stays", "goes"};
  metrics.SetGaugeSource([&tenants] {
    Gauges gauges;
    gauges.tenant_names = tenants;
    return gauges;
  });
  for (const std::string& tenant : tenants) {
    RequestFacts facts;
    facts.method = "Simulate";
    facts.tenant = tenant;
    metrics.BeginRequest(facts.method);
    metrics.CountRequest(facts);
  }
  EXPECT_THAT(metrics.Expose(),
              HasSubstr("spikeserve_tenant_requests_total{code=\"OK\",tenant=\"goes\"} 1\n"));
  tenants.erase("goes");
  const std::string text = metrics.Expose();
  EXPECT_THAT(text, ::testing::Not(HasSubstr("goes")));
  EXPECT_THAT(text, HasSubstr("spikeserve_tenant_requests_total{code=\"OK\",tenant=\"stays\"} 1\n"));
}

TEST(Metrics, ReadsGaugesWhenAsked) {
  Metrics metrics("1", "cpu");
  std::int64_t queued = 3;
  metrics.SetGaugeSource([&queued] {
    Gauges gauges{queued, 1.5, 2, 9, 500, 700, 1000, 3, 4, 5, 6, {}, {}, {}};
    gauges.gpus = {{"GPU-1", 0.25, 100, 400}, {"GPU-2", -1, 1, 2}};
    return gauges;
  });
  EXPECT_THAT(metrics.Expose(), HasSubstr("spikeserve_queue_samples 3\n"));
  queued = 4;
  const std::string text = metrics.Expose();
  EXPECT_THAT(text, HasSubstr("spikeserve_queue_samples 4\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_networks_stored 9\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_queue_work_seconds 1.5\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_networks 2\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_resident_bytes 500\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_memory_used_bytes 700\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_memory_limit_bytes 1000\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_log_lines_lost_total 3\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_trace_spans_sent_total 4\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_trace_spans_lost_total 5\n"));
  EXPECT_THAT(text, HasSubstr("spikeserve_http_connections 6\n"));
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_gpu_utilization_ratio{gpu="GPU-1"} 0.25)"));
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_gpu_memory_total_bytes{gpu="GPU-2"} 2)"));
  EXPECT_THAT(text, Not(HasSubstr(R"(spikeserve_gpu_utilization_ratio{gpu="GPU-2"})")));
}

TEST(Metrics, CallsAreInFlightUntilTheyAreCounted) {
  Metrics metrics("1", "cpu");
  metrics.BeginRequest("Session");
  metrics.BeginRequest("Session");
  metrics.CountRequest({.method = "Session"});
  EXPECT_THAT(metrics.Expose(), HasSubstr(R"(spikeserve_requests_in_flight{method="Session"} 1)"));
}

TEST(Metrics, CountsByNetworkAndTenant) {
  Metrics metrics("1", "cpu");
  metrics.CountRequest({.method = "Simulate",
                        .seconds = 0.02,
                        .network = "fashion",
                        .tenant = "team",
                        .samples = 4,
                        .queue_s = 0.5,
                        .compute_s = 0.25});
  metrics.CountRequest(
      {.method = "Simulate", .code = StatusCode::kInternal, .network = "fashion", .samples = 9});
  metrics.CountRequest({.method = "ListNetworks"});  // of none
  const std::string text = metrics.Expose();
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_network_requests_total{code="OK",network="fashion"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_network_requests_total{code="INTERNAL",network="fashion"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_network_samples_total{network="fashion"} 4)"));
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_network_queue_seconds_total{network="fashion"} 0.5)"));
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_network_compute_seconds_total{network="fashion"} 0.25)"));
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_network_request_seconds_count{network="fashion"} 2)"));
  EXPECT_THAT(text, HasSubstr(R"(spikeserve_tenant_samples_total{tenant="team"} 4)"));
  EXPECT_THAT(text, Not(HasSubstr(R"(network="")")));
}

TEST(Metrics, NetworksBeyondTheBoundShareOneLabelUntilOthersAreGone) {
  Metrics metrics("1", "cpu", 2);
  Gauges gauges;
  gauges.network_names = {"b", "c"};
  metrics.SetGaugeSource([&gauges] { return gauges; });
  for (const char* name : {"a", "b", "c", "d"}) {
    metrics.CountRequest({.method = "Simulate", .network = name, .samples = 1});
  }
  const auto samples = [](const std::string& name) {
    return "spikeserve_network_samples_total{network=\"" + name + "\"} ";
  };
  std::string text = metrics.Expose();
  EXPECT_THAT(text, HasSubstr(samples("b") + "1"));
  EXPECT_THAT(text, HasSubstr(samples("(other)") + "2"));
  EXPECT_THAT(text, Not(HasSubstr(samples("a"))));  // unloaded, and its place is wanted
  metrics.CountRequest({.method = "Simulate", .network = "c", .samples = 1});
  text = metrics.Expose();
  EXPECT_THAT(text, HasSubstr(samples("c") + "1"));
}

TEST(Metrics, ATracedCallIsTheExemplarOfItsBucket) {
  Metrics metrics("1", "cpu");
  metrics.CountRequest({.method = "Simulate", .seconds = 0.003, .trace_id = "abc"});
  metrics.CountRequest({.method = "Simulate", .seconds = 99, .trace_id = "def"});
  metrics.CountRequest({.method = "Simulate", .seconds = 0.3});
  const std::string text = metrics.Expose(MetricsFormat::kOpenMetrics);
  EXPECT_THAT(
      text,
      HasSubstr(
          R"(spikeserve_request_seconds_bucket{method="Simulate",le="0.005"} 1 # {trace_id="abc"} 0.003 )"));
  EXPECT_THAT(text, HasSubstr(R"({method="Simulate",le="+Inf"} 3 # {trace_id="def"} 99.0 )"));
  EXPECT_THAT(text, HasSubstr("{method=\"Simulate\",le=\"0.5\"} 2\n"));
  EXPECT_THAT(metrics.Expose(), Not(HasSubstr("abc")));
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
