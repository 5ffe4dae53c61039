// The end of a server: lame duck, refusals, what is under way, nothing with CANCELLED.

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <string>

#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/rpc/raw_call.h"
#include "tests/rpc/server_test.h"
#include "tests/support/eventually.h"
#include "tests/support/gate.h"

namespace spikeserve::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A server whose one worker is busy until the gate opens, and which is about to go.
class DepartureTest : public ServerTest {
 protected:
  DepartureTest() {
    Start();
    EXPECT_TRUE(Load("net").ok());
  }
  ~DepartureTest() override {
    gate_.Open();
    hurry_.request_stop();
  }

  void Leave(milliseconds lame_duck, seconds patience) {
    gone_ = std::async(std::launch::async, [this, lame_duck, patience] {
      server().Drain({.lame_duck = lame_duck, .patience = patience}, hurry_.get_token());
    });
  }
  std::future<grpc::Status> Send() {
    return std::async(std::launch::async, [this] { return Simulate(Request("net", {0})); });
  }
  std::future<grpc::Status> SendAndHold() {
    script_->on_advance = [this](std::int64_t) {
      gate_.Pass();
      return Status();
    };
    auto answer = Send();
    gate_.AwaitArrivals(1);
    return answer;
  }
  bool Serving(const std::string& name) {
    const auto health = grpc::health::v1::Health::NewStub(channel_);
    grpc::ClientContext call;
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(name);
    grpc::health::v1::HealthCheckResponse response;
    EXPECT_TRUE(health->Check(&call, request, &response).ok());
    return response.status() == grpc::health::v1::HealthCheckResponse::SERVING;
  }
  grpc::StatusCode List() {
    grpc::ClientContext call;
    v1::ListNetworksResponse response;
    return networks_->ListNetworks(&call, {}, &response).error_code();
  }

  Gate gate_;
  std::stop_source hurry_;
  std::future<void> gone_;
};

TEST_F(DepartureTest, TheFirstHalfServesAndSaysThatItIsNotReady) {
  EXPECT_TRUE(Serving("") && Serving("net"));
  Leave(seconds(600), seconds(60));
  EXPECT_TRUE(Eventually([this] { return !Serving(""); }));
  EXPECT_FALSE(Serving("net"));
  EXPECT_EQ(Send().get().error_code(), grpc::StatusCode::OK);
  EXPECT_EQ(gone_.wait_for(milliseconds(0)), std::future_status::timeout);
  hurry_.request_stop();
  gone_.get();
}

// Every method of every service, with a code that clients repeat; but what is under way goes on.
TEST_F(DepartureTest, TheSecondHalfRefusesNewCallsAndFinishesOthers) {
  auto held = SendAndHold();
  Leave(seconds(2), seconds(60));
  EXPECT_TRUE(Eventually([this] { return List() == grpc::StatusCode::UNAVAILABLE; }));
  const std::string refusal = "error 14: the server is shutting down";
  for (const char* method :
       {"/spikeserve.v1.NetworkService/LoadNetwork", "/spikeserve.v1.NetworkService/UnloadNetwork",
        "/spikeserve.v1.NetworkService/GetNetwork", "/spikeserve.v1.SimulationService/Simulate",
        "/inference.GRPCInferenceService/ServerLive", "/inference.GRPCInferenceService/ModelInfer",
        "/inference.GRPCInferenceService/RepositoryModelLoad",
        "/inference.GRPCInferenceService/RepositoryModelUnload", "/any.Service/Unknown"}) {
    EXPECT_THAT(RawCall(channel_, method, ""), StartsWith(refusal)) << method;
  }
  for (const char* method :
       {"/spikeserve.v1.SimulationService/Session", "/spikeserve.v1.SimulationService/SimulateStream",
        "/inference.GRPCInferenceService/ModelStreamInfer",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"}) {
    EXPECT_THAT(RawStream(channel_, method, ""), StartsWith(refusal)) << method;
  }
  gate_.Open();
  EXPECT_TRUE(held.get().ok());
  gone_.get();
}

// Who has been refused before is told to wait until the server is gone.
TEST_F(DepartureTest, ARepeatedCallIsToldWhenToComeBack) {
  auto held = SendAndHold();
  Leave(seconds(2), seconds(60));
  EXPECT_TRUE(Eventually([this] { return List() == grpc::StatusCode::UNAVAILABLE; }));
  for (const bool repeats : {false, true}) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    if (repeats) {
      arguments.SetServiceConfigJSON(R"({"methodConfig": [{"name": [{}], "retryPolicy": {
          "maxAttempts": 2, "initialBackoff": "0.01s", "maxBackoff": "0.1s", "backoffMultiplier": 2,
          "retryableStatusCodes": ["UNAVAILABLE"]}}]})");
    }
    const auto networks = v1::NetworkService::NewStub(
        grpc::CreateCustomChannel(server().address(), grpc::InsecureChannelCredentials(), arguments));
    grpc::ClientContext call;
    v1::ListNetworksResponse response;
    EXPECT_EQ(networks->ListNetworks(&call, {}, &response).error_code(), grpc::StatusCode::UNAVAILABLE);
    const auto pushback = call.GetServerTrailingMetadata().find("grpc-retry-pushback-ms");
    EXPECT_EQ(pushback != call.GetServerTrailingMetadata().end(), repeats);
    if (pushback != call.GetServerTrailingMetadata().end()) {
      const int left = std::stoi(std::string(pushback->second.data(), pushback->second.size()));
      EXPECT_TRUE(left >= 100 && left <= 5'000) << left;
    }
  }
  gate_.Open();
  EXPECT_TRUE(held.get().ok());
  gone_.get();
}

TEST_F(DepartureTest, WithNothingUnderWayTheSecondHalfIsShort) {
  ASSERT_TRUE(Send().get().ok());
  const auto begin = std::chrono::steady_clock::now();
  Leave(seconds(1), seconds(60));
  gone_.get();
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(500));
}

TEST_F(DepartureTest, WhereNobodyIsThereNothingIsWaitedFor) {
  Stop();
  channel_.reset();
  networks_.reset();
  simulations_.reset();
  Start();
  channel_.reset();
  Leave(seconds(600), seconds(60));
  EXPECT_EQ(gone_.wait_for(seconds(60)), std::future_status::ready);
}

TEST_F(DepartureTest, WhatIsLeftAtTheEndIsUnavailable) {
  auto held = SendAndHold();
  Leave(seconds(0), seconds(0));
  const grpc::Status status = held.get();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr("--drain-seconds"));
  gate_.Open();
  gone_.get();
  EXPECT_THAT(Log(), Not(HasSubstr("CANCELLED")));
}

TEST_F(DepartureTest, HurryEndsAllWaiting) {
  auto held = SendAndHold();
  Leave(seconds(600), seconds(600));
  ASSERT_TRUE(Eventually([this] { return !Serving(""); }));
  hurry_.request_stop();
  EXPECT_EQ(held.get().error_code(), grpc::StatusCode::UNAVAILABLE);
  gate_.Open();
  gone_.get();
}

}  // namespace
}  // namespace spikeserve::testing
