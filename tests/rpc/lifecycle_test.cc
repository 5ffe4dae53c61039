// The server as a whole: listing and unloading, restart, health, reflection, the address, many clients at
// once.

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <thread>

#include "server/app/healthcheck.h"
#include "server/rpc/reflection_service.h"
#include "tests/rpc/raw_call.h"
#include "tests/rpc/server_test.h"
#include "tests/support/eventually.h"

namespace spikeserve::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::chrono::seconds kTimeout{20};
constexpr const char* kReflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
constexpr const char* kOldReflection = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

class LifecycleTest : public ServerTest {
 protected:
  grpc::Status Get(const std::string& name, std::int64_t version, v1::GetNetworkResponse* response) {
    grpc::ClientContext call;
    v1::GetNetworkRequest request;
    request.set_name(name);
    request.set_version(version);
    return networks_->GetNetwork(&call, request, response);
  }
  std::vector<std::string> List() {
    grpc::ClientContext call;
    v1::ListNetworksResponse response;
    EXPECT_TRUE(networks_->ListNetworks(&call, {}, &response).ok());
    std::vector<std::string> names;
    for (const v1::NetworkInfo& info : response.networks()) {
      names.push_back(info.name() + ":" + std::to_string(info.version()));
    }
    return names;
  }
  // HealthCheckResponse of a service: \x08\x01 is SERVING, \x08\x02 NOT_SERVING.
  std::string Health(const std::string& service) {
    const std::string request =
        service.empty() ? "" : "\x0a" + std::string(1, static_cast<char>(service.size())) + service;
    return RawCall(channel_, "/grpc.health.v1.Health/Check", request);
  }
};

TEST_F(LifecycleTest, ListsGetsAndUnloads) {
  Start();
  for (const char* name : {"b", "a", "a"}) {
    ASSERT_TRUE(Load(name).ok());
  }
  EXPECT_THAT(List(), ::testing::ElementsAre("a:1", "a:2", "b:1"));
  v1::GetNetworkResponse response;
  ASSERT_TRUE(Get("a", 0, &response).ok());
  EXPECT_EQ(response.network().version(), 2);
  EXPECT_EQ(Get("a", 3, &response).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Get("", 0, &response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(Unload("a", 2).ok());
  EXPECT_TRUE(Unload("b").ok());
  EXPECT_EQ(Unload("b").error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Unload("b", -1).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(List(), ::testing::ElementsAre("a:1"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "networks/a/2"));
  EXPECT_TRUE(Idle(script_->network_bytes));
}

TEST_F(LifecycleTest, NetworksComeBackAfterARestartAndDamagedOnesAreSkipped) {
  Start();
  ASSERT_TRUE(Load("net").ok());
  ASSERT_TRUE(Load("net").ok());
  ASSERT_TRUE(Load("other").ok());
  Stop();
  const auto damaged = folder_.path() / "networks/net/2/network.spk";
  std::string bytes = ReadFile(damaged);
  bytes[100] ^= 1;
  WriteFile(damaged, bytes);
  Start();
  EXPECT_THAT(List(), ::testing::ElementsAre("net:1", "other:1"));
  EXPECT_TRUE(Simulate(Request("net", {1})).ok());
  EXPECT_EQ(ReadFile(damaged), bytes);
  EXPECT_THAT(Log(), HasSubstr(R"("event":"network_skipped","network":"net","version":2)"));
  EXPECT_THAT(Log(), HasSubstr("SHA-256 of the payload"));
  v1::LoadNetworkResponse response;
  ASSERT_TRUE(Load("net", SmallMlp(), &response).ok());
  EXPECT_EQ(response.network().version(), 3);  // never that of the damaged one
}

TEST_F(LifecycleTest, HealthCoversTheServerAndEachNetwork) {
  Start();
  EXPECT_EQ(Health(""), "\x08\x01");
  EXPECT_THAT(Health("net"), HasSubstr("error 5"));
  ASSERT_TRUE(Load("net").ok());
  EXPECT_EQ(Health("net"), "\x08\x01");
  ASSERT_TRUE(Unload("net").ok());
  EXPECT_EQ(Health("net"), "\x08\x02");
  EXPECT_TRUE(app::CheckHealth(server().address(), {}, kTimeout).ok());
  const std::string address = server().address();
  Stop();
  EXPECT_FALSE(app::CheckHealth(address, {}, kTimeout).ok());
}

// Empty fields that nobody knows: two bytes on the wire, dozens once parsed.
TEST_F(LifecycleTest, OnlySimulationsAndChunksMayBeLarge) {
  Start();
  std::string flood;
  for (int i = 0; i < 10'000; ++i) {
    flood += std::string("\x7a\0", 2);
  }
  for (const char* method : {"GetNetwork", "ListNetworks", "UnloadNetwork"}) {
    EXPECT_THAT(RawCall(channel_, std::string("/spikeserve.v1.NetworkService/") + method, flood),
                HasSubstr("error 8"))
        << method;
  }
  EXPECT_THAT(RawStream(channel_, "/spikeserve.v1.NetworkService/LoadNetwork", flood), HasSubstr("error 8"));
  EXPECT_TRUE(Eventually(  // a call is logged when it is over, and its client knows that first
      [this] { return Log().find("the request has 20000 bytes, allowed 16384") != std::string::npos; }));
  EXPECT_THAT(RawStream(channel_, kReflection, flood), HasSubstr("error 8"));
}

TEST_F(LifecycleTest, ReflectionListsTheServices) {
  Start();
  for (const char* version : {kReflection, kOldReflection}) {
    // ServerReflectionRequest{list_services: ""}
    const std::string answer = RawStream(channel_, version, std::string("\x3a\0", 2));
    for (const char* service :
         {"spikeserve.v1.NetworkService", "spikeserve.v1.SimulationService", "inference.GRPCInferenceService",
          "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
          "grpc.reflection.v1alpha.ServerReflection"}) {
      EXPECT_THAT(answer, HasSubstr(service)) << version;
    }
  }
}

TEST_F(LifecycleTest, ReflectionDescribesEveryServiceThatItLists) {
  Start();
  for (const std::string& service : rpc::ServiceNames()) {
    const std::string symbol = "\x22" + std::string(1, static_cast<char>(service.size())) + service;
    EXPECT_THAT(RawStream(channel_, kReflection, symbol), HasSubstr("proto3")) << service;
  }
}

// Some clients take an empty message for success.
TEST_F(LifecycleTest, AMethodThatIsNotThereIsRefusedWithAMessage) {
  Start();
  for (const char* method : {"/spikeserve.v1.SimulationService/Nothing", "/nobody.Service/Call", "/x"}) {
    const std::string answer = RawCall(channel_, method, "");
    EXPECT_THAT(answer, HasSubstr("error 12: method: got \"" + std::string(method) + "\"")) << answer;
    EXPECT_THAT(answer, HasSubstr("spikeserve.v1.SimulationService; reflection")) << answer;
  }
}

TEST_F(LifecycleTest, ReflectionDescribesWhatItKnows) {
  Start();
  const std::string file = "\x1a\x1espikeserve/v1/simulation.proto";
  const std::string symbol = "\x22\x1fspikeserve.v1.SimulationService";
  EXPECT_THAT(RawStream(channel_, kReflection, file), HasSubstr("google/protobuf/timestamp.proto"));
  EXPECT_THAT(RawStream(channel_, kReflection, symbol), HasSubstr("SimulateStreamResponse"));
  EXPECT_THAT(RawStream(channel_, kReflection, "\x22\x04none"), HasSubstr("this server does not know it"));
  EXPECT_THAT(RawStream(channel_, kReflection, "\x32\x04none"), HasSubstr("this server does not know it"));
  EXPECT_THAT(RawStream(channel_, kReflection, "\x0a\x01h"), HasSubstr("message_request: got none"));
}

TEST_F(LifecycleTest, PicksAPortAndRefusesOneInUse) {
  config_.listen = "127.0.0.1:0";
  Start();
  EXPECT_THAT(server().address(), ::testing::MatchesRegex("127\\.0\\.0\\.1:[1-9][0-9]*"));
  ASSERT_TRUE(Load("net").ok());
  app::Config second = config_;
  second.listen = server().address();
  second.network_repository.clear();
  const rpc::EventLog log(rpc::LogFormat::kText, spdlog::level::off);
  const auto refused = app::Application::Start(second, std::make_unique<FakeBackend>(script_), log);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.status().message(), HasSubstr("cannot listen on " + second.listen + " (--listen)"));
}

TEST_F(LifecycleTest, ADeviceThatBreaksTakesTheServerOutOfService) {
  constexpr const char* kReason = "GPU: cudaErrorIllegalAddress";
  std::atomic<bool> broken = false;
  script_->on_advance = [&](std::int64_t) { return broken ? Unavailable(kReason) : Status(); };
  script_->health = [&] { return broken ? Unavailable(kReason) : Status(); };
  Start();
  ASSERT_TRUE(Load("net").ok());
  ASSERT_TRUE(Simulate(Request("net", {1})).ok());
  EXPECT_EQ(Health(""), "\x08\x01");
  broken = true;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Simulate(Request("net", {1})).error_code(), grpc::StatusCode::UNAVAILABLE);
  }
  EXPECT_TRUE(Eventually([&] { return Health("") == "\x08\x02"; }));
  const std::string log = Log();
  const std::size_t said = log.find("device_lost");
  ASSERT_NE(said, std::string::npos) << log;
  EXPECT_NE(log.find(kReason, said), std::string::npos);
  EXPECT_EQ(log.find("device_lost", said + 1), std::string::npos);  // once
}

TEST_F(LifecycleTest, WithoutARepositoryNothingIsStored) {
  config_.network_repository.clear();
  Start();
  ASSERT_TRUE(Load("net").ok());
  EXPECT_TRUE(Unload("net").ok());
  ASSERT_TRUE(Load("net").ok());
  Stop();
  Start();
  EXPECT_TRUE(List().empty());
}

TEST_F(LifecycleTest, ManyClientsLoadUnloadAndSimulateAtOnce) {
  constexpr int kRounds = 25;
  config_.workers = 2;
  config_.limits.max_uploads = 2 * kRounds;  // one is under way until a little after its answer
  Start();
  ASSERT_TRUE(Load("stable").ok());
  std::vector<std::jthread> clients;
  for (int t = 0; t < 2; ++t) {
    clients.emplace_back([this] {
      for (int i = 0; i < kRounds; ++i) {
        const grpc::Status loaded = Load("net");
        EXPECT_TRUE(loaded.ok()) << loaded.error_message();
        static_cast<void>(Unload("net"));
      }
    });
    clients.emplace_back([this] {
      for (int i = 0; i < 4 * kRounds; ++i) {
        const auto code = Simulate(Request("net", {1})).error_code();
        EXPECT_TRUE(code == grpc::StatusCode::OK || code == grpc::StatusCode::NOT_FOUND ||
                    code == grpc::StatusCode::UNAVAILABLE)
            << code;
      }
    });
    clients.emplace_back([this] {
      for (int i = 0; i < 4 * kRounds; ++i) {
        EXPECT_TRUE(Simulate(Request("stable", {1})).ok());
      }
    });
    clients.emplace_back([this] {
      for (int i = 0; i < 2 * kRounds; ++i) {
        grpc::ClientContext call;
        v1::SimulateStreamRequest request;
        *request.mutable_request() = Request("stable", {1});
        request.set_report_every(1);
        const auto reader = simulations_->SimulateStream(&call, request);
        v1::SimulateStreamResponse response;
        static_cast<void>(reader->Read(&response));
        call.TryCancel();
        while (reader->Read(&response)) {
        }
        static_cast<void>(reader->Finish());
      }
    });
  }
  clients.clear();
  static_cast<void>(Unload("net"));
  EXPECT_TRUE(Unload("stable").ok());
  EXPECT_TRUE(Idle(0));
  EXPECT_EQ(script_->networks, 0);
}

}  // namespace
}  // namespace spikeserve::testing
