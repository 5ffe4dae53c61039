#include "server/serving/requests/batcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <thread>

#include "tests/support/entries.h"
#include "tests/support/fake_clock.h"
#include "tests/support/requests.h"

namespace spikeserve::serving {
namespace {

using engine::SimulationSpec;
using ::spikeserve::testing::ChangeSpec;
using ::spikeserve::testing::FakeClock;
using ::spikeserve::testing::FakeScript;
using ::spikeserve::testing::MakeEntry;
using ::spikeserve::testing::MakeRequest;
using ::spikeserve::testing::RecordingSink;
using std::chrono::microseconds;
using ::testing::HasSubstr;

class BatcherTest : public ::testing::Test {
 protected:
  Request New(std::size_t samples, std::size_t sink = 0) {
    return MakeRequest(network_, std::vector<float>(samples, 1.0F), sinks_[sink]);
  }

  FakeClock clock_;
  std::shared_ptr<FakeScript> script_ = std::make_shared<FakeScript>();
  NetworkHandle network_{MakeEntry(script_)};
  std::array<RecordingSink, 16> sinks_;
};

TEST_F(BatcherTest, MergesRequestsOfOneKind) {
  Batcher batcher({.max_batch = 64}, clock_);
  ASSERT_TRUE(batcher.Submit(New(3)).ok());
  ASSERT_TRUE(batcher.Submit(New(5)).ok());
  EXPECT_EQ(batcher.queued_samples(), 8);
  const auto batch = batcher.Poll();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->requests().size(), 2U);
  EXPECT_EQ(batcher.queued_samples(), 0);
  EXPECT_FALSE(batcher.Poll());
}

TEST_F(BatcherTest, ServesTheLowestPriorityNumberFirst) {
  Batcher batcher({.max_batch = 64}, clock_);
  for (const std::int64_t priority : {3, 1, 2, 1}) {
    Request request = New(static_cast<std::size_t>(priority));
    request.priority = priority;
    ASSERT_TRUE(batcher.Submit(std::move(request)).ok());
  }
  for (const std::int64_t priority : {1, 2, 3}) {
    const auto batch = batcher.Poll();
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->requests().front().priority, priority);
    EXPECT_EQ(batch->requests().size(), priority == 1 ? 2U : 1U);
  }
}

TEST_F(BatcherTest, ARequestThatIsNotDueDoesNotHoldUpOneThatIs) {
  Batcher batcher({.max_batch = 4, .max_delay = microseconds(1000)}, clock_);
  Request waiting = New(1);
  waiting.priority = 1;
  ASSERT_TRUE(batcher.Submit(std::move(waiting)).ok());
  Request full = New(4);
  full.priority = 3;
  ASSERT_TRUE(batcher.Submit(std::move(full)).ok());
  const auto batch = batcher.Poll();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->requests().front().priority, 3);
  EXPECT_FALSE(batcher.Poll());
}

TEST_F(BatcherTest, KeepsApartWhatCannotShareARun) {
  const std::vector<std::function<void(SimulationSpec&)>> of_spec = {
      [](SimulationSpec& s) { s.settings.steps = 11; },
      [](SimulationSpec& s) { s.settings.dt_s = 0.002; },
      [](SimulationSpec& s) { s.settings.seed = 1; },
      [](SimulationSpec& s) { s.settings.readout.kind = engine::ReadoutKind::kLast; },
      [](SimulationSpec& s) { s.settings.readout.skip_steps = 1; },
      [](SimulationSpec& s) { s.settings.initial_voltage = engine::ZeroVoltage{}; },
      [](SimulationSpec& s) { s.settings.initial_voltage = engine::ConstantVoltage{0.5}; },
      [](SimulationSpec& s) { s.settings.initial_voltage = engine::ConstantVoltage{0.25}; },
      [](SimulationSpec& s) { s.settings.initial_voltage = engine::UniformVoltage{1}; },
      [](SimulationSpec& s) { s.settings.initial_voltage = engine::UniformVoltage{2}; },
      [](SimulationSpec& s) { s.inputs[0].type = engine::DataType::kFloat64; },
      [](SimulationSpec& s) { s.inputs[0].per_step = true; },
      [](SimulationSpec& s) { s.probes.clear(); },
      [](SimulationSpec& s) { s.trajectories = true; },
      [](SimulationSpec& s) { s.statistics = true; },
  };
  std::vector<std::function<void(Request&)>> changes = {
      [](Request& r) { r.report_every = 5; },
      [](Request& r) { r.priority = 1; },
      [this](Request& r) { r.network = NetworkHandle(MakeEntry(script_)); },
  };
  for (const auto& change : of_spec) {
    changes.emplace_back([&change](Request& r) { ChangeSpec(r, change); });
  }
  Batcher batcher({}, clock_);
  ASSERT_TRUE(batcher.Submit(New(1)).ok());
  for (const auto& change : changes) {
    Request request = New(1);
    change(request);
    ASSERT_TRUE(batcher.Submit(std::move(request)).ok());
  }
  for (std::size_t i = 0; i <= changes.size(); ++i) {
    const auto batch = batcher.Poll();
    ASSERT_TRUE(batch) << i;
    EXPECT_EQ(batch->requests().size(), 1U) << i;
  }
}

TEST_F(BatcherTest, EqualSettingsOfEveryKindShareARun) {
  for (const engine::InitialVoltage& voltage : {engine::InitialVoltage{engine::ZeroVoltage{}},
                                                {engine::ConstantVoltage{0.5}},
                                                {engine::UniformVoltage{3}}}) {
    Request a = New(1);
    Request b = New(2);
    for (Request* request : {&a, &b}) {
      ChangeSpec(*request, [&](SimulationSpec& s) { s.settings.initial_voltage = voltage; });
    }
    EXPECT_TRUE(CanShareBatch(a, b)) << voltage.index();
  }
}

TEST_F(BatcherTest, RefusesWhatDoesNotFitTheQueue) {
  Batcher batcher({.max_queue = 10}, clock_);
  ASSERT_TRUE(batcher.Submit(New(8)).ok());
  const Status refused = batcher.Submit(New(3, 1));
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.message(), HasSubstr("got 3 samples, 8 waiting, limit 10 (--max-queue)"));
  EXPECT_EQ(sinks_[1].answers(), 0);
  EXPECT_TRUE(batcher.Submit(New(2, 1)).ok());
}

TEST_F(BatcherTest, AnExpiredRequestMakesRoom) {
  Batcher batcher({.max_queue = 10}, clock_);
  Request old = New(8);
  old.deadline = clock_.Now() + microseconds(5);
  ASSERT_TRUE(batcher.Submit(std::move(old)).ok());
  clock_.Advance(microseconds(5));
  EXPECT_TRUE(batcher.Submit(New(3, 1)).ok());
  EXPECT_EQ(sinks_[0].status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(batcher.queued_samples(), 3);
}

TEST_F(BatcherTest, IsDueAfterTheDelay) {
  Batcher batcher({.max_delay = microseconds(100)}, clock_);
  ASSERT_TRUE(batcher.Submit(New(1)).ok());
  clock_.Advance(microseconds(99));
  EXPECT_FALSE(batcher.Poll());
  clock_.Advance(microseconds(1));
  EXPECT_TRUE(batcher.Poll());
}

TEST_F(BatcherTest, WaitsForOthersAsLongAsThatHasPaid) {
  Batcher batcher({.max_delay = microseconds(800)}, clock_);
  std::size_t sink = 0;
  const auto delay = [&](int requests) {
    for (int i = 0; i < requests; ++i) {
      EXPECT_TRUE(batcher.Submit(New(1, sink++)).ok());
    }
    for (int waited = 0;; waited += 10) {
      if (auto run = batcher.Poll()) {
        EXPECT_EQ(run->requests().size(), static_cast<std::size_t>(requests));
        run->Fail(Unavailable("over"));
        batcher.Return(std::move(run));
        return waited;
      }
      clock_.Advance(microseconds(10));
    }
  };
  RunCosts& costs = *network_->costs;
  const auto spec = New(1).spec;
  for (const std::int64_t samples : {1, 10, 20}) {  // a run costs as much as 100 samples
    costs.Learn(*spec, samples, spec->settings.steps, 1e-3 + 1e-5 * static_cast<double>(samples));
  }
  EXPECT_EQ(delay(1), 800);
  EXPECT_EQ(delay(1), 400);  // nobody had come
  EXPECT_EQ(delay(2), 200);
  EXPECT_EQ(delay(2), 300);
  EXPECT_EQ(delay(2), 400);
}

TEST_F(BatcherTest, DoesNotWaitWhereARunCostsNothingByItself) {
  Batcher batcher({.max_delay = microseconds(800)}, clock_);
  const auto spec = New(1).spec;
  network_->costs->Learn(*spec, 10, spec->settings.steps, 1e-3);
  ASSERT_TRUE(batcher.Submit(New(1)).ok());
  EXPECT_TRUE(batcher.Poll());
}

TEST_F(BatcherTest, AFullBatchIsDueAtOnce) {
  Batcher batcher({.max_batch = 4, .max_delay = microseconds(100)}, clock_);
  ASSERT_TRUE(batcher.Submit(New(3)).ok());
  EXPECT_FALSE(batcher.Poll());
  ASSERT_TRUE(batcher.Submit(New(3)).ok());
  const auto batch = batcher.Poll();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->requests().size(), 1U);  // the second would pass max_batch
  EXPECT_FALSE(batcher.Poll());
  EXPECT_EQ(batcher.queued_samples(), 3);
}

TEST_F(BatcherTest, TakesARequestLargerThanABatchAlone) {
  Batcher batcher({.max_batch = 4}, clock_);
  ASSERT_TRUE(batcher.Submit(New(9)).ok());
  ASSERT_TRUE(batcher.Submit(New(1)).ok());
  EXPECT_EQ(batcher.Poll()->requests().front().sample_count(), 9);
  EXPECT_EQ(batcher.Poll()->requests().front().sample_count(), 1);
}

TEST_F(BatcherTest, ServesKindsInOrderOfArrival) {
  Batcher batcher({.max_batch = 1}, clock_);
  for (const std::int64_t kind : {10, 7, 10}) {
    Request request = New(1);
    ChangeSpec(request, [&](SimulationSpec& s) { s.settings.steps = kind; });
    ASSERT_TRUE(batcher.Submit(std::move(request)).ok());
    clock_.Advance(microseconds(1));
  }
  std::vector<std::int64_t> steps;
  while (const auto batch = batcher.Poll()) {
    steps.push_back(batch->requests().front().spec->settings.steps);
  }
  EXPECT_THAT(steps, ::testing::ElementsAre(10, 7, 10));
}

TEST_F(BatcherTest, SweepAnswersTheCancelledAndTheExpired) {
  Batcher batcher({.max_delay = std::chrono::seconds(1)}, clock_);
  std::stop_source stop;
  Request cancelled = New(1, 0);
  cancelled.cancelled = stop.get_token();
  Request expiring = New(1, 1);
  expiring.deadline = clock_.Now() + microseconds(1);
  Request staying = New(1, 2);
  ASSERT_TRUE(batcher.Submit(std::move(cancelled)).ok());
  ASSERT_TRUE(batcher.Submit(std::move(expiring)).ok());
  ASSERT_TRUE(batcher.Submit(std::move(staying)).ok());
  stop.request_stop();
  clock_.Advance(microseconds(1));
  batcher.Sweep();
  EXPECT_EQ(sinks_[0].status().code(), StatusCode::kCancelled);
  EXPECT_EQ(sinks_[1].status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(sinks_[2].answers(), 0);
  EXPECT_EQ(batcher.queued_samples(), 1);
}

TEST_F(BatcherTest, ADroppedRequestHasGivenBackWhatItHeldWhenItIsAnswered) {
  MemoryBudget budget(100);
  Batcher batcher({}, clock_);
  std::int64_t used_at_answer = -1;
  sinks_[0].before_done = [&] { used_at_answer = budget.used_bytes(); };
  Request request = New(1);
  request.reservation = budget.Reserve(70, "inputs").value();
  request.deadline = clock_.Now();
  ASSERT_TRUE(batcher.Submit(std::move(request)).ok());
  batcher.Sweep();
  EXPECT_EQ(used_at_answer, 0);
}

TEST_F(BatcherTest, ClosedRefusesNewAndIsDueAtOnce) {
  Batcher batcher({.max_delay = std::chrono::seconds(1)}, clock_);
  ASSERT_TRUE(batcher.Submit(New(1)).ok());
  batcher.Close();
  EXPECT_EQ(batcher.Submit(New(1, 1)).code(), StatusCode::kUnavailable);
  std::unique_ptr<serving::Run> run = batcher.Next({});
  ASSERT_TRUE(run);
  run->Fail(Unavailable("over"));
  batcher.Return(std::move(run));
  EXPECT_FALSE(batcher.Next({}));  // closed and empty: does not wait
}

TEST_F(BatcherTest, FailQueuedAnswersAll) {
  Batcher batcher({}, clock_);
  ASSERT_TRUE(batcher.Submit(New(1, 0)).ok());
  Request other = New(1, 1);
  ChangeSpec(other, [&](SimulationSpec& s) { s.settings.steps = 3; });
  ASSERT_TRUE(batcher.Submit(std::move(other)).ok());
  batcher.FailQueued(Unavailable("going"));
  EXPECT_EQ(sinks_[0].status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(sinks_[1].status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(batcher.queued_samples(), 0);
}

TEST_F(BatcherTest, NextWaitsForARequest) {
  Batcher batcher({}, clock_);
  std::unique_ptr<serving::Run> batch;
  std::jthread worker([&] { batch = batcher.Next({}); });
  ASSERT_TRUE(batcher.Submit(New(2)).ok());
  worker.join();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->requests().front().sample_count(), 2);
}

TEST_F(BatcherTest, AFullBatchWakesAWaitingWorkerBeforeItsDelay) {
  Batcher batcher({.max_batch = 2, .max_delay = std::chrono::hours(10)}, clock_);
  std::unique_ptr<serving::Run> batch;
  std::jthread worker([&] { batch = batcher.Next({}); });
  ASSERT_TRUE(batcher.Submit(New(1)).ok());
  ASSERT_TRUE(batcher.Submit(New(1)).ok());
  worker.join();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->requests().size(), 2U);
}

TEST_F(BatcherTest, NextEndsWhenStopped) {
  Batcher batcher({}, clock_);
  std::unique_ptr<serving::Run> batch;
  std::jthread worker([&](std::stop_token stop) { batch = batcher.Next(stop); });
  worker.request_stop();
  worker.join();
  EXPECT_FALSE(batch);
}

TEST_F(BatcherTest, ManyThreadsLoseNoRequest) {
  constexpr int kThreads = 4;
  constexpr int kRequests = 200;
  const SteadyClock clock;
  Batcher batcher({.max_batch = 8}, clock);
  std::atomic<int> taken = 0;
  RecordingSink sink;
  {
    std::vector<std::jthread> workers;
    for (int w = 0; w < 2; ++w) {
      workers.emplace_back([&] {
        while (std::unique_ptr<serving::Run> batch = batcher.Next({})) {
          taken += static_cast<int>(batch->requests().size());
          batch->Fail(Status());
          batcher.Return(std::move(batch));
        }
      });
    }
    std::vector<std::jthread> clients;
    for (int t = 0; t < kThreads; ++t) {
      clients.emplace_back([&, t] {
        for (int i = 0; i < kRequests; ++i) {
          Request request = MakeRequest(network_, {1.0F}, sink);
          ChangeSpec(request, [&](SimulationSpec& s) { s.settings.steps = 1 + (t + i) % 3; });
          ASSERT_TRUE(batcher.Submit(std::move(request)).ok());
          batcher.Sweep();
        }
      });
    }
    clients.clear();
    batcher.Close();
  }
  EXPECT_EQ(taken, kThreads * kRequests);
  EXPECT_EQ(sink.answers(), kThreads * kRequests);
}

}  // namespace
}  // namespace spikeserve::serving
