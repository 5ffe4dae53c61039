// Requests that meet in the queue: merged, bounded, cancelled, expired.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "tests/rpc/server_test.h"
#include "tests/support/eventually.h"
#include "tests/support/gate.h"

namespace spikeserve::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A server whose one worker is busy with the first request until the gate opens.
class BatchingTest : public ServerTest {
 protected:
  struct Answer {
    grpc::Status status;
    v1::SimulateResponse response;
  };

  void StartBusy() {
    Start();
    ASSERT_TRUE(Load("net").ok());
    script_->on_advance = [this](std::int64_t) {
      gate_.Pass();
      return Status();
    };
    first_ = Send(Request("net", {0}));
    gate_.AwaitArrivals(1);
  }
  std::future<Answer> Send(const v1::SimulateRequest& request) {
    return std::async(std::launch::async, [this, request] {
      Answer answer;
      answer.status = Simulate(request, &answer.response);
      return answer;
    });
  }
  // A call that does not wait for the gate.
  grpc::Status Try() {
    grpc::ClientContext call;
    call.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(20));
    v1::SimulateResponse response;
    return simulations_->Simulate(&call, Request("net", {1}), &response);
  }
  void AwaitQueued(std::int64_t samples) {
    ASSERT_TRUE(Eventually([&] { return server().batcher().queued_samples() == samples; }));
  }
  ~BatchingTest() override { gate_.Open(); }

  Gate gate_;
  std::future<Answer> first_;
};

TEST_F(BatchingTest, MergesRequestsThatWaitTogether) {
  StartBusy();
  auto a = Send(Request("net", {1, 2}));
  auto b = Send(Request("net", {3}));
  AwaitQueued(3);
  v1::SimulateRequest other = Request("net", {4});
  other.set_steps(5);
  auto c = Send(other);
  AwaitQueued(4);
  gate_.Open();
  EXPECT_EQ(first_.get().response.timing().batch_size(), 1);
  const Answer of_a = a.get();
  const Answer of_b = b.get();
  ASSERT_TRUE(of_a.status.ok());
  EXPECT_EQ(of_a.response.timing().batch_size(), 3);
  EXPECT_EQ(of_b.response.timing().batch_size(), 3);
  EXPECT_GT(of_b.response.timing().queue_s(), 0);
  float value = 0;
  of_b.response.probes(0).outputs().data().copy(reinterpret_cast<char*>(&value), sizeof value);
  EXPECT_EQ(value, 3);
  EXPECT_EQ(c.get().response.timing().batch_size(), 1);
  EXPECT_THAT(script_->batches(), ElementsAre(1, 1, 3, 1));  // the warm-up first
}

TEST_F(BatchingTest, AFullQueueRefuses) {
  config_.batching.max_queue = 2;
  StartBusy();
  auto waiting = Send(Request("net", {1, 2}));
  AwaitQueued(2);
  const grpc::Status status = Simulate(Request("net", {3}));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(),
              HasSubstr("queue full: got 1 samples, 2 waiting, limit 2 (--max-queue)"));
  gate_.Open();
  EXPECT_TRUE(waiting.get().status.ok());
}

TEST_F(BatchingTest, ACancelledRequestLeavesTheQueue) {
  StartBusy();
  grpc::ClientContext call;
  auto cancelled = std::async(std::launch::async, [&] {
    v1::SimulateResponse response;
    return simulations_->Simulate(&call, Request("net", {1, 2}), &response);
  });
  AwaitQueued(2);
  call.TryCancel();
  EXPECT_EQ(cancelled.get().error_code(), grpc::StatusCode::CANCELLED);
  AwaitQueued(0);  // although no worker is free
  gate_.Open();
  EXPECT_TRUE(first_.get().status.ok());
  EXPECT_TRUE(Idle(script_->network_bytes));
  EXPECT_EQ(script_->batches().size(), 2U);
}

TEST_F(BatchingTest, AnExpiredRequestLeavesTheQueue) {
  StartBusy();
  grpc::ClientContext call;
  call.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(20));
  v1::SimulateResponse response;
  EXPECT_EQ(simulations_->Simulate(&call, Request("net", {1}), &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  AwaitQueued(0);
  gate_.Open();
  EXPECT_TRUE(first_.get().status.ok());
  EXPECT_TRUE(Idle(script_->network_bytes));
}

TEST_F(BatchingTest, ACancelledRunEndsAtItsNextChunk) {
  Start();
  ASSERT_TRUE(Load("net").ok());
  script_->on_advance = [this](std::int64_t) {
    gate_.Pass();
    return Status();
  };
  v1::SimulateRequest request = Request("net", {1});
  request.set_steps(10'000);
  grpc::ClientContext call;
  auto cancelled = std::async(std::launch::async, [&] {
    v1::SimulateResponse response;
    return simulations_->Simulate(&call, request, &response);
  });
  gate_.AwaitArrivals(1);
  call.TryCancel();
  EXPECT_EQ(cancelled.get().error_code(), grpc::StatusCode::CANCELLED);
  gate_.Open();
  EXPECT_TRUE(Idle(script_->network_bytes));
}

TEST_F(BatchingTest, AnUnloadWaitsForTheRunAndRefusesNewOnes) {
  StartBusy();
  auto unloaded = std::async(std::launch::async, [this] { return Unload("net"); });
  ASSERT_TRUE(Eventually([this] {
    return server().registry().Find("net", 1).value().state == serving::NetworkState::kUnloading;
  }));
  EXPECT_EQ(Try().error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(script_->networks, 1);
  gate_.Open();
  EXPECT_TRUE(first_.get().status.ok());
  EXPECT_TRUE(unloaded.get().ok());
  EXPECT_EQ(script_->networks, 0);
  EXPECT_TRUE(Idle(0));
}

TEST_F(BatchingTest, DrainFinishesWhatRunsAndRefusesTheRest) {
  StartBusy();
  auto waiting = Send(Request("net", {1}));
  AwaitQueued(1);
  auto drained =
      std::async(std::launch::async, [this] { server().Drain({.patience = std::chrono::seconds(60)}); });
  ASSERT_TRUE(Eventually([this] { return Try().error_code() == grpc::StatusCode::UNAVAILABLE; }));
  gate_.Open();
  EXPECT_TRUE(first_.get().status.ok());
  EXPECT_TRUE(waiting.get().status.ok());
  drained.get();
}

TEST_F(BatchingTest, DrainCancelsWhatTakesLongerThanItsPatience) {
  Start();
  ASSERT_TRUE(Load("net").ok());
  Gate running;
  running.Open();
  v1::SimulateRequest request = Request("net", {1});
  request.set_steps(10'000);
  std::atomic<bool> drained = false;
  script_->on_advance = [&](std::int64_t done) {
    running.Pass();
    while (done > 0 && !drained) {
      std::this_thread::yield();
    }
    return Status();
  };
  auto answer = Send(request);
  running.AwaitArrivals(2);
  auto drain =
      std::async(std::launch::async, [this] { server().Drain({.patience = std::chrono::seconds(0)}); });
  EXPECT_EQ(answer.get().status.error_code(), grpc::StatusCode::UNAVAILABLE);
  drained = true;
  drain.get();
}

}  // namespace
}  // namespace spikeserve::testing
