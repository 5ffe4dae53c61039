// Tenants of a quota file: what their calls get, in their turn, and after a reload.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <string>
#include <vector>

#include "tests/rpc/infer_test.h"
#include "tests/support/eventually.h"
#include "tests/support/gate.h"

namespace spikeserve::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class QuotaTest : public InferTest {
 protected:
  QuotaTest() { config_.quota_file = folder_.path() / "quotas.json"; }
  ~QuotaTest() override { gate_.Open(); }

  void WriteQuotas(const std::string& tenants) {
    WriteFile(config_.quota_file, "{\"tenants\": [" + tenants + "]}");
  }
  grpc::Status SimulateAs(const std::string& token, const v1::SimulateRequest& request) {
    grpc::ClientContext call;
    call.AddMetadata("authorization", "Bearer " + token);
    v1::SimulateResponse response;
    return simulations_->Simulate(&call, request, &response);
  }
  std::future<grpc::Status> Send(const std::string& token, const v1::SimulateRequest& request) {
    return std::async(std::launch::async, [this, token, request] { return SimulateAs(token, request); });
  }
  std::future<grpc::Status> SendInfer(const std::string& token, int priority) {
    auto request = RawRequest({1});
    (*request.mutable_parameters())["priority"].set_int64_param(priority);
    (*request.mutable_parameters())["steps"].set_int64_param(2);
    return std::async(std::launch::async, [this, token, request] {
      grpc::ClientContext call;
      call.AddMetadata("authorization", "Bearer " + token);
      inference::ModelInferResponse response;
      return stub_->ModelInfer(&call, request, &response);
    });
  }
  // The worker is busy with a first request of "a" until the gate opens.
  std::future<grpc::Status> Occupy() {
    script_->on_advance = [this](std::int64_t) {
      gate_.Pass();
      return Status();
    };
    auto first = Send("a", Request("net", {0}));
    gate_.AwaitArrivals(1);
    return first;
  }
  void AwaitQueued(std::int64_t samples) {
    ASSERT_TRUE(Eventually([&] { return server().batcher().queued_samples() == samples; }));
  }
  // A network that is there without a token.
  void StartWithNetwork(const std::string& tenants) {
    WriteQuotas(R"({"name": "guests", "callers": "default"})");
    Start();
    ASSERT_TRUE(Load("net").ok());
    WriteQuotas(tenants);
    server().Reload("a test");
  }

  Gate gate_;
};

constexpr const char* kTwo = R"({"name": "a", "callers": [{"token": "a"}], "quotas": {"requests": 1}},
                                {"name": "b", "callers": [{"token": "b"}]})";

TEST_F(QuotaTest, ATenantThatHasAllItMayHaveDoesNotHoldUpAnother) {
  StartWithNetwork(kTwo);
  auto first = Occupy();
  const grpc::Status refused = SimulateAs("a", Request("net", {1}));
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.error_message(), HasSubstr("tenant \"a\": requests: 1 are in flight, allowed 1"));
  EXPECT_THAT(refused.error_details(), HasSubstr("google.rpc.RetryInfo"));
  auto other = Send("b", Request("net", {2}));
  AwaitQueued(1);
  gate_.Open();
  EXPECT_TRUE(first.get().ok());
  EXPECT_TRUE(other.get().ok());
  EXPECT_TRUE(SimulateAs("a", Request("net", {1})).ok());
}

TEST_F(QuotaTest, ARequestThatTheQueueRefusesCostsNothing) {
  config_.batching.max_queue = 2;
  StartWithNetwork(R"({"name": "a", "callers": [{"token": "a"}]},
                      {"name": "b", "callers": [{"token": "b"}],
                       "quotas": {"samples_per_second": 0.001, "samples_burst": 2}})");
  auto first = Occupy();
  auto queued = Send("a", Request("net", {1}));
  AwaitQueued(1);
  EXPECT_EQ(SimulateAs("b", Request("net", {1, 2})).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  gate_.Open();
  EXPECT_TRUE(first.get().ok());
  EXPECT_TRUE(queued.get().ok());
  EXPECT_TRUE(SimulateAs("b", Request("net", {1, 2})).ok());
  EXPECT_THAT(SimulateAs("b", Request("net", {1})).error_message(), HasSubstr("samples_per_second"));
}

// Requests of one kind share a batch where they have the same priority.
TEST_F(QuotaTest, NobodyIsServedBeforeHisPriority) {
  StartWithNetwork(R"({"name": "a", "callers": [{"token": "a"}]},
                      {"name": "low", "callers": [{"token": "low"}], "max_priority": 3})");
  auto first = Occupy();
  std::vector<std::future<grpc::Status>> answers;
  std::int64_t queued = 0;
  for (const char* token : {"a", "low"}) {
    for (const int priority : {1, 3}) {
      answers.push_back(SendInfer(token, priority));
      AwaitQueued(++queued);
    }
  }
  gate_.Open();
  EXPECT_TRUE(first.get().ok());
  for (auto& answer : answers) {
    EXPECT_TRUE(answer.get().ok());
  }
  const auto batches = script_->batches();
  // The first, then a's urgent one and the other three together, as "low" may ask for nothing better.
  EXPECT_THAT(std::vector<std::int64_t>(batches.end() - 3, batches.end()), UnorderedElementsAre(1, 1, 3));
}

TEST_F(QuotaTest, AReloadThatFailsSaysWhyAndChangesNothing) {
  StartWithNetwork(kTwo);
  EXPECT_TRUE(SimulateAs("b", Request("net", {1})).ok());
  WriteQuotas(R"({"name": "a", "callers": [], "weight": 0})");
  server().Reload("a test");
  EXPECT_TRUE(SimulateAs("b", Request("net", {1})).ok());
  EXPECT_THAT(Log(), HasSubstr("reload_failed"));
  EXPECT_THAT(Log(), HasSubstr("tenants[0].weight: got 0, allowed 0.001 to 1000"));
  WriteQuotas(R"({"name": "a", "callers": [{"token": "a"}]})");
  server().Reload("a test");
  EXPECT_EQ(SimulateAs("b", Request("net", {1})).error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(QuotaTest, NetworksOfTheDefaultAreStoredAlone) {
  WriteQuotas(R"({"name": "default", "callers": "default", "quotas": {"networks": 1}})");
  Start();
  ASSERT_TRUE(Load("net").ok());
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "networks/net/1/owner"));
  EXPECT_THAT(Load("two").error_message(), HasSubstr("networks: 1 are loaded, allowed 1"));
  Stop();
  Start();
  EXPECT_THAT(Load("two").error_message(), HasSubstr("networks: 1 are loaded, allowed 1"));
  ASSERT_TRUE(Unload("net").ok());
  EXPECT_TRUE(Load("two").ok());
}

TEST_F(QuotaTest, AnUploadThatFailsLeavesItsPlace) {
  WriteQuotas(R"({"name": "guests", "callers": "default", "quotas": {"networks": 1}})");
  Start();
  EXPECT_FALSE(Upload(Header("net", "not a network"), "not a network").ok());
  EXPECT_FALSE(Upload(Header("net", "longer"), "short").ok());
  ASSERT_TRUE(Load("net").ok());
  EXPECT_EQ(ReadFile(folder_.path() / "networks/net/1/owner"), "guests");
}

}  // namespace
}  // namespace spikeserve::testing
