// The response cache: equal requests run once, and nobody gets another answer than without it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/rpc/infer_test.h"
#include "tests/support/eventually.h"
#include "tests/support/gate.h"

namespace spikeserve::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kCacheBytes = std::int64_t{1} << 20;

// An answer but for what tells of its own call.
std::string Told(v1::SimulateResponse response) {
  response.clear_timing();
  return response.SerializeAsString();
}

class ResponseCacheTest : public InferTest {
 protected:
  struct Answer {
    grpc::Status status;
    v1::SimulateResponse response;
  };

  ResponseCacheTest() { config_.response_cache_bytes = kCacheBytes; }
  ~ResponseCacheTest() override { gate_.Open(); }

  void StartLoaded() {
    Start();
    ASSERT_TRUE(Load("net").ok());
  }
  // Runs wait for the gate.
  void StartClosed() {
    StartLoaded();
    script_->on_advance = [this](std::int64_t) {
      gate_.Pass();
      return Status();
    };
  }
  Answer Ask(const v1::SimulateRequest& request, grpc::ClientContext* call = nullptr) {
    grpc::ClientContext own;
    Answer answer;
    answer.status = simulations_->Simulate(call == nullptr ? &own : call, request, &answer.response);
    return answer;
  }
  std::future<Answer> Send(const v1::SimulateRequest& request, grpc::ClientContext* call = nullptr) {
    return std::async(std::launch::async, [this, request, call] { return Ask(request, call); });
  }
  void AwaitCoalesced(std::int64_t requests) {
    ASSERT_TRUE(Eventually([&] { return server().answer_counts().coalesced == requests; }));
  }
  // Runs since the network was loaded, which has one of its own.
  std::size_t Runs() const { return script_->batches().size() - 1; }

  Gate gate_;
};

TEST_F(ResponseCacheTest, SixtyFourEqualRequestsAtTheSameTimeRunOnce) {
  StartClosed();
  std::vector<std::future<Answer>> answers;
  for (int i = 0; i < 64; ++i) {
    answers.push_back(Send(Request("net", {3, 4})));
  }
  AwaitCoalesced(63);
  EXPECT_LE(server().batcher().queued_samples(), 2);
  gate_.Open();
  std::string first;
  int coalesced = 0;
  for (auto& future : answers) {
    const Answer answer = future.get();
    ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
    first = first.empty() ? Told(answer.response) : first;
    EXPECT_EQ(Told(answer.response), first);
    EXPECT_EQ(answer.response.timing().batch_size(), 2);
    EXPECT_GT(answer.response.timing().total_s(), 0);
    EXPECT_LE(answer.response.timing().queue_s() + answer.response.timing().compute_s(),
              answer.response.timing().total_s());
    coalesced += answer.response.timing().coalesced() ? 1 : 0;
  }
  EXPECT_EQ(coalesced, 63);
  EXPECT_THAT(script_->batches(), ElementsAre(1, 2));
  EXPECT_TRUE(Idle(script_->network_bytes + kCacheBytes));
}

TEST_F(ResponseCacheTest, ALaterRequestGetsTheSameBytesWithoutARun) {
  StartLoaded();
  v1::SimulateRequest request = Request("net", {1, 2});
  request.set_trajectories(true);
  request.set_statistics(true);
  request.set_top_k(1);
  const Answer ran = Ask(request);
  request.set_version(1);  // the one that is meant without it
  const Answer kept = Ask(request);
  ASSERT_TRUE(ran.status.ok() && kept.status.ok());
  EXPECT_EQ(Told(kept.response), Told(ran.response));
  EXPECT_FALSE(ran.response.timing().cached());
  EXPECT_TRUE(kept.response.timing().cached());
  EXPECT_EQ(kept.response.timing().batch_size(), 0);
  EXPECT_EQ(kept.response.timing().compute_s(), 0);
  EXPECT_GT(kept.response.timing().total_s(), 0);
  EXPECT_EQ(Runs(), 1U);
  EXPECT_TRUE(Eventually([this] { return Log().find(R"("reuse":"cached")") != std::string::npos; })) << Log();
  EXPECT_TRUE(Idle(script_->network_bytes + kCacheBytes));
}

TEST_F(ResponseCacheTest, WhateverDiffersIsSimulated) {
  StartLoaded();
  std::vector<v1::SimulateRequest> requests(6, Request("net", {1}));
  requests[1] = Request("net", {2});
  requests[2].set_seed(1);
  requests[3].set_seed(2);
  requests[4].set_steps(7);
  requests[5].set_first_sample(1);
  for (int round = 0; round < 2; ++round) {
    for (const v1::SimulateRequest& request : requests) {
      const Answer answer = Ask(request);
      ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
      EXPECT_EQ(answer.response.timing().cached(), round == 1);
      EXPECT_EQ(answer.response.settings().seed(), request.seed());
      float value = 0;
      answer.response.probes(0).outputs().data().copy(reinterpret_cast<char*>(&value), sizeof value);
      EXPECT_EQ(value, &request == &requests[1] ? 2 : 1);
    }
  }
  EXPECT_EQ(Runs(), requests.size());
}

TEST_F(ResponseCacheTest, OffItDoesNothing) {
  config_.response_cache_bytes = 0;
  StartLoaded();
  for (int i = 0; i < 2; ++i) {
    const Answer answer = Ask(Request("net", {1}));
    EXPECT_FALSE(answer.response.timing().cached());
    EXPECT_EQ(answer.response.timing().batch_size(), 1);
  }
  EXPECT_EQ(Runs(), 2U);
  EXPECT_TRUE(Idle(script_->network_bytes));
  Stop();
  EXPECT_THAT(Log(), Not(HasSubstr("reuse")));
}

TEST_F(ResponseCacheTest, BothProtocolsShareItAndEachAnswerIsOfItsOwnCall) {
  Start();
  ASSERT_TRUE(LoadLabelled("net").ok());
  inference::ModelInferRequest request = RawRequest({1, 2});
  request.set_id("first");
  inference::ModelInferResponse ran;
  ASSERT_TRUE(Infer(request, &ran).ok());
  request.set_id("second");
  inference::ModelInferResponse kept;
  ASSERT_TRUE(Infer(request, &kept).ok());
  EXPECT_EQ(kept.id(), "second");
  EXPECT_TRUE(kept.parameters().at("cached").bool_param());
  EXPECT_EQ(kept.parameters().at("batch_size").int64_param(), 0);
  EXPECT_EQ(ran.parameters().count("cached"), 0U);
  kept.set_id("first");
  kept.clear_parameters();
  ran.clear_parameters();
  EXPECT_EQ(kept.SerializeAsString(), ran.SerializeAsString());
  EXPECT_EQ(server().answer_counts().hits, 1);

  inference::ModelStatisticsRequest about;
  about.set_name("net");
  grpc::ClientContext call;
  inference::ModelStatisticsResponse statistics;
  ASSERT_TRUE(stub_->ModelStatistics(&call, about, &statistics).ok());
  EXPECT_EQ(statistics.model_stats(0).inference_stats().success().count(), 2U);
  EXPECT_EQ(statistics.model_stats(0).inference_stats().cache_hit().count(), 1U);
  EXPECT_GT(statistics.model_stats(0).inference_stats().cache_hit().ns(), 0U);
  EXPECT_EQ(statistics.model_stats(0).inference_stats().cache_miss().count(), 1U);
}

TEST_F(ResponseCacheTest, AReloadUnderTheSameVersionIsSimulatedAgain) {
  StartLoaded();
  ASSERT_TRUE(Ask(Request("net", {1})).status.ok());
  EXPECT_EQ(server().answer_counts().kept, 1);
  ASSERT_TRUE(Unload("net").ok());
  EXPECT_EQ(server().answer_counts().kept, 0);
  const std::string bytes = EncodeNetwork(SmallMlp()).SerializeAsString();
  v1::LoadNetworkHeader header = Header("net", bytes);
  header.set_version(1);
  ASSERT_TRUE(Upload(header, bytes).ok());
  const Answer again = Ask(Request("net", {1}));
  ASSERT_TRUE(again.status.ok());
  EXPECT_EQ(again.response.settings().version(), 1);
  EXPECT_FALSE(again.response.timing().cached());
  EXPECT_TRUE(Ask(Request("net", {1})).response.timing().cached());
}

TEST_F(ResponseCacheTest, ARunThatEndsAfterTheUnloadIsNotKept) {
  StartClosed();
  auto running = Send(Request("net", {1}));
  gate_.AwaitArrivals(1);
  auto unloaded = std::async(std::launch::async, [this] { return Unload("net"); });
  ASSERT_TRUE(Eventually([this] {
    return server().registry().Find("net", 1).value().state == serving::NetworkState::kUnloading;
  }));
  gate_.Open();
  EXPECT_TRUE(running.get().status.ok());
  EXPECT_TRUE(unloaded.get().ok());
  EXPECT_EQ(server().answer_counts().kept, 0);
}

TEST_F(ResponseCacheTest, ALeaderThatGoesLeavesItsRunToTheOthers) {
  StartClosed();
  grpc::ClientContext cancelled;
  auto leader = Send(Request("net", {1}), &cancelled);
  gate_.AwaitArrivals(1);
  auto follower = Send(Request("net", {1}));
  AwaitCoalesced(1);
  cancelled.TryCancel();
  EXPECT_EQ(leader.get().status.error_code(), grpc::StatusCode::CANCELLED);
  gate_.Open();
  const Answer answer = follower.get();
  EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_TRUE(answer.response.timing().coalesced());
  EXPECT_EQ(Runs(), 1U);
  EXPECT_TRUE(Idle(script_->network_bytes + kCacheBytes));
}

TEST_F(ResponseCacheTest, TheDeadlineOfTheLeaderIsItsOwn) {
  StartClosed();
  auto busy = Send(Request("net", {9}));
  gate_.AwaitArrivals(1);
  grpc::ClientContext soon;
  soon.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(1));
  auto leader = Send(Request("net", {1}), &soon);
  ASSERT_TRUE(Eventually([&] { return server().batcher().queued_samples() == 1; }));
  auto follower = Send(Request("net", {1}));
  AwaitCoalesced(1);
  EXPECT_EQ(leader.get().status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(server().batcher().queued_samples(), 1);
  gate_.Open();
  EXPECT_TRUE(follower.get().status.ok());
  EXPECT_TRUE(busy.get().status.ok());
  EXPECT_EQ(Runs(), 2U);
}

TEST_F(ResponseCacheTest, TheTimeoutOfARequestEndsItAlone) {
  Start();
  ASSERT_TRUE(LoadLabelled("net").ok());
  script_->on_advance = [this](std::int64_t) {
    gate_.Pass();
    return Status();
  };
  inference::ModelInferRequest request = RawRequest({1});
  auto patient = std::async(std::launch::async, [this, request] { return Infer(request); });
  gate_.AwaitArrivals(1);
  (*request.mutable_parameters())["timeout"].set_int64_param(50'000);
  EXPECT_EQ(Infer(request).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  gate_.Open();
  EXPECT_TRUE(patient.get().ok());
  EXPECT_EQ(server().answer_counts().coalesced, 1);
}

TEST_F(ResponseCacheTest, StreamsAreNotKept) {
  StartLoaded();
  for (int i = 0; i < 2; ++i) {
    v1::SimulateStreamRequest request;
    *request.mutable_request() = Request("net", {1});
    request.set_report_every(5);
    grpc::ClientContext call;
    const auto stream = simulations_->SimulateStream(&call, request);
    v1::SimulateStreamResponse response;
    while (stream->Read(&response)) {
    }
    EXPECT_TRUE(stream->Finish().ok());
    EXPECT_FALSE(response.result().timing().cached());
  }
  EXPECT_EQ(Runs(), 2U);
  EXPECT_EQ(server().answer_counts().misses, 0);
}

TEST_F(ResponseCacheTest, MoreThanTheMemoryBudgetIsRefusedAtTheStart) {
  config_.memory_budget_bytes = kCacheBytes / 2;
  try {
    Start();
    FAIL() << "the server has started";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("--response-cache-mb: the response cache: needs 1048576 bytes"));
  }
}

class TenantCacheTest : public ResponseCacheTest {
 protected:
  TenantCacheTest() { config_.quota_file = folder_.path() / "quotas.json"; }

  bool Cached(const std::string& token) {
    grpc::ClientContext call;
    call.AddMetadata("authorization", "Bearer " + token);
    const Answer answer = Ask(Request("net", {1}), &call);
    EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
    return answer.response.timing().cached();
  }
};

TEST_F(TenantCacheTest, TenantsDoNotSeeEachOthersAnswersAndHitsCostNoSamples) {
  WriteFile(config_.quota_file, R"({"tenants": [{"name": "guests", "callers": "default"}]})");
  StartLoaded();
  WriteFile(config_.quota_file, R"({"tenants": [
      {"name": "a", "callers": [{"token": "a"}],
       "quotas": {"samples_per_second": 0.001, "samples_burst": 1}},
      {"name": "b", "callers": [{"token": "b"}]}]})");
  server().Reload("a test");
  EXPECT_FALSE(Cached("a"));
  EXPECT_FALSE(Cached("b"));
  EXPECT_TRUE(Cached("a"));  // its one sample is spent
  EXPECT_TRUE(Cached("b"));
  grpc::ClientContext call;
  call.AddMetadata("authorization", "Bearer a");
  const Answer other = Ask(Request("net", {2}), &call);
  EXPECT_EQ(other.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(other.status.error_message(), HasSubstr("samples_per_second"));
  EXPECT_EQ(Runs(), 2U);
}

}  // namespace
}  // namespace spikeserve::testing
