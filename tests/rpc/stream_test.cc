// SimulateStream: progress, slow readers, and clients that leave.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "tests/rpc/server_test.h"
#include "tests/support/eventually.h"
#include "tests/support/gate.h"

namespace spikeserve::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// SmallMlp with an output of this many values.
engine::NetworkDefinition WithOutputs(std::int64_t outputs) {
  engine::NetworkDefinition network = SmallMlp();
  network.tensors[2] =
      Tensor("w1", {outputs, 3}, std::vector<float>(static_cast<std::size_t>(3 * outputs), 1.0F));
  return network;
}

class StreamTest : public ServerTest {
 protected:
  static v1::SimulateStreamRequest StreamRequest(std::int64_t steps, std::int64_t report_every) {
    v1::SimulateStreamRequest request;
    *request.mutable_request() = Request("net", {5});
    request.mutable_request()->set_steps(steps);
    request.set_report_every(report_every);
    return request;
  }
  grpc::Status Refusal(const v1::SimulateStreamRequest& request) {
    grpc::ClientContext call;
    const auto reader = simulations_->SimulateStream(&call, request);
    v1::SimulateStreamResponse response;
    EXPECT_FALSE(reader->Read(&response));
    return reader->Finish();
  }
};

TEST_F(StreamTest, SendsProgressAndThenTheResult) {
  // Each chunk waits until the last progress was read, so that none is missed.
  std::atomic<std::int64_t> read = 0;
  Start();
  ASSERT_TRUE(Load("net").ok());
  script_->on_advance = [&](std::int64_t done) {
    while (read < done / 5) {
      std::this_thread::yield();
    }
    return Status();
  };
  v1::SimulateStreamRequest request = StreamRequest(20, 5);
  request.mutable_request()->set_trajectories(true);
  grpc::ClientContext call;
  const auto reader = simulations_->SimulateStream(&call, request);
  v1::SimulateStreamResponse response;
  std::vector<std::int64_t> steps;
  while (reader->Read(&response) && response.has_progress()) {
    steps.push_back(response.progress().steps_done());
    EXPECT_EQ(response.progress().probes(0).name(), "output");
    EXPECT_FALSE(response.progress().probes(0).has_trajectory());
    EXPECT_EQ(response.progress().classification().classes_size(), 1);
    ++read;
  }
  EXPECT_THAT(steps, ElementsAre(5, 10, 15));
  ASSERT_TRUE(response.has_result());
  EXPECT_EQ(response.result().settings().steps(), 20);
  EXPECT_THAT(response.result().probes(0).trajectory().shape(), ElementsAre(1, 20, 1));
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_TRUE(Idle(script_->network_bytes));
}

// However fast the device is.
TEST_F(StreamTest, AReaderThatKeepsUpMissesNothing) {
  Start();
  ASSERT_TRUE(Load("net").ok());
  for (int round = 0; round < 20; ++round) {
    grpc::ClientContext call;
    const auto reader = simulations_->SimulateStream(&call, StreamRequest(16, 1));
    v1::SimulateStreamResponse response;
    std::int64_t steps = 0;
    while (reader->Read(&response) && response.has_progress()) {
      EXPECT_EQ(response.progress().steps_done(), ++steps);
    }
    EXPECT_EQ(steps, 15);
    EXPECT_TRUE(response.has_result());
    EXPECT_TRUE(reader->Finish().ok());
  }
  EXPECT_TRUE(Idle(script_->network_bytes));
}

TEST_F(StreamTest, ASlowReaderMissesProgressButNotTheResult) {
  constexpr std::int64_t kSteps = 1000;
  Start();
  ASSERT_TRUE(Load("net", WithOutputs(60'000)).ok());  // 240 kB each, more than the transport holds
  grpc::ClientContext call;
  const auto reader = simulations_->SimulateStream(&call, StreamRequest(kSteps, 1));
  ASSERT_TRUE(Eventually([&] { return script_->steps >= kSteps; }));  // without a single read
  v1::SimulateStreamResponse response;
  std::vector<std::int64_t> steps;
  while (reader->Read(&response) && response.has_progress()) {
    steps.push_back(response.progress().steps_done());
  }
  EXPECT_LT(steps.size(), static_cast<std::size_t>(kSteps) - 1);
  EXPECT_TRUE(std::is_sorted(steps.begin(), steps.end()));
  ASSERT_TRUE(response.has_result());
  EXPECT_EQ(response.result().probes(0).outputs().shape(1), 60'000);
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_TRUE(Idle(script_->network_bytes));
}

// Neither its readings nor its small chunks are made.
TEST_F(StreamTest, AStreamThatIsNotReadCostsNoMoreThanItsSteps) {
  std::atomic<int> chunks = 0;
  Start();
  ASSERT_TRUE(Load("net", WithOutputs(60'000)).ok());
  script_->on_advance = [&](std::int64_t) {
    ++chunks;
    return Status();
  };
  grpc::ClientContext call;
  const auto reader = simulations_->SimulateStream(&call, StreamRequest(1'000, 1));
  ASSERT_TRUE(Eventually([&] { return script_->steps >= 1'000; }));
  EXPECT_LT(chunks, 200);
  call.TryCancel();
  v1::SimulateStreamResponse response;
  while (reader->Read(&response)) {
  }
  static_cast<void>(reader->Finish());
}

TEST_F(StreamTest, AClientThatDoesNotReadDoesNotKeepTheNetwork) {
  constexpr std::int64_t kSteps = 100;
  Start();
  ASSERT_TRUE(Load("net", WithOutputs(60'000)).ok());
  grpc::ClientContext call;
  const auto reader = simulations_->SimulateStream(&call, StreamRequest(kSteps, 1));
  ASSERT_TRUE(Eventually([&] { return script_->steps >= kSteps; }));
  grpc::ClientContext unload;
  unload.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  v1::UnloadNetworkRequest request;
  request.set_name("net");
  v1::UnloadNetworkResponse response;
  EXPECT_TRUE(networks_->UnloadNetwork(&unload, request, &response).ok());
  EXPECT_EQ(script_->networks, 0);
  // The answer, once; a report that was being written meanwhile is still let go.
  EXPECT_TRUE(Eventually([&] { return server().budget().used_bytes() < 2 * 60'000 * 4; }));
  v1::SimulateStreamResponse last;
  while (reader->Read(&last)) {
  }
  EXPECT_TRUE(last.has_result());
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(StreamTest, AClientThatDoesNotReadIsCutOff) {
  config_.limits.write_idle_seconds = 0;  // the next look at it is one too late
  Start();
  ASSERT_TRUE(Load("net", WithOutputs(60'000)).ok());
  const std::int64_t resident = server().budget().used_bytes();
  v1::SimulateStreamRequest request = StreamRequest(1000, 1);  // 24 MB each, as no others are made meanwhile
  *request.mutable_request() = Request("net", std::vector<float>(100, 5));
  request.mutable_request()->set_steps(1000);
  grpc::ClientContext call;
  const auto reader = simulations_->SimulateStream(&call, request);
  EXPECT_TRUE(Eventually([this] {
    return Log().find(R"("method":"SimulateStream","code":"DEADLINE_EXCEEDED")") != std::string::npos;
  }));
  EXPECT_THAT(Log(), HasSubstr("did not read its answer within 0 s (--write-idle-seconds)"));
  v1::SimulateStreamResponse response;
  while (reader->Read(&response)) {
    EXPECT_FALSE(response.has_result());
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(Idle(resident));
}

TEST_F(StreamTest, AClientKilledMidStreamLeavesNothing) {
  Start();
  ASSERT_TRUE(Load("net").ok());
  std::atomic<bool> gone = false;
  script_->on_advance = [&](std::int64_t done) {
    while (done >= 50 && !gone) {
      std::this_thread::yield();
    }
    // A slow device, so that the news from the client overtakes it.
    if (gone) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return Status();
  };
  {
    grpc::ClientContext call;
    const auto reader = simulations_->SimulateStream(&call, StreamRequest(10'000, 1));
    v1::SimulateStreamResponse response;
    ASSERT_TRUE(reader->Read(&response));
    EXPECT_TRUE(response.has_progress());
    call.TryCancel();
    while (reader->Read(&response)) {
    }
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  gone = true;
  EXPECT_TRUE(Idle(script_->network_bytes));
  EXPECT_TRUE(Eventually(
      [this] { return Log().find(R"("method":"SimulateStream","code":"CANCELLED")") != std::string::npos; }));
}

TEST_F(StreamTest, AFailureMidRunIsTheStatus) {
  Start();
  ASSERT_TRUE(Load("net").ok());
  script_->on_advance = [](std::int64_t done) { return done >= 10 ? Internal("device lost") : Status(); };
  grpc::ClientContext call;
  const auto reader = simulations_->SimulateStream(&call, StreamRequest(100, 10));
  v1::SimulateStreamResponse response;
  while (reader->Read(&response)) {
    EXPECT_TRUE(response.has_progress());
  }
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(status.error_message(), "device lost");
}

TEST_F(StreamTest, ChecksTheRequestAsSimulateDoes) {
  Start();
  ASSERT_TRUE(Load("net").ok());
  EXPECT_THAT(Refusal(StreamRequest(10, 0)).error_message(),
              HasSubstr("report_every: got 0, allowed 1 and above"));
  EXPECT_THAT(Refusal(StreamRequest(10, -3)).error_message(), HasSubstr("report_every: got -3"));
  EXPECT_THAT(Refusal(StreamRequest(0, 1)).error_message(), HasSubstr("steps: got 0"));
  v1::SimulateStreamRequest empty;
  empty.set_report_every(1);
  EXPECT_THAT(Refusal(empty).error_message(), HasSubstr("network: got \"\""));
  EXPECT_TRUE(Idle(script_->network_bytes));
}

TEST_F(StreamTest, AReportRarerThanTheRunGivesOnlyTheResult) {
  Start();
  ASSERT_TRUE(Load("net").ok());
  grpc::ClientContext call;
  const auto reader = simulations_->SimulateStream(&call, StreamRequest(10, INT64_MAX));
  v1::SimulateStreamResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_TRUE(response.has_result());
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_TRUE(reader->Finish().ok());
}

}  // namespace
}  // namespace spikeserve::testing
