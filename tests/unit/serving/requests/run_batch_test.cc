#include "server/serving/requests/run_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <new>
#include <stdexcept>

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
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RunBatchTest : public ::testing::Test {
 protected:
  Request New(const std::vector<float>& values, std::size_t sink) {
    return MakeRequest(network_, values, sinks_[sink]);
  }
  static Batch Together(Request a, Request b) {
    Batch batch;
    batch.push_back(std::move(a));
    batch.push_back(std::move(b));
    return batch;
  }
  static Batch Alone(Request a) {
    Batch batch;
    batch.push_back(std::move(a));
    return batch;
  }
  void Run(Batch batch) { RunBatch(std::move(batch), context_, stop_.get_token()); }

  FakeClock clock_;
  MemoryBudget budget_{10'000};
  std::shared_ptr<FakeScript> script_ = std::make_shared<FakeScript>();
  NetworkHandle network_{MakeEntry(script_)};
  std::array<RecordingSink, 4> sinks_;
  std::vector<RunRecord> records_;
  std::stop_source stop_;
  RunContext context_{budget_, clock_, 4, [this](const RunRecord& record) { records_.push_back(record); }};
};

TEST_F(RunBatchTest, AnswersEachRequestWithItsOwnSamples) {
  Request a = New({1, 2}, 0);
  Request b = New({3}, 1);
  for (Request* request : {&a, &b}) {
    ChangeSpec(*request, [](SimulationSpec& s) { s.trajectories = s.statistics = true; });
  }
  Run(Together(std::move(a), std::move(b)));
  ASSERT_TRUE(sinks_[0].status().ok());
  EXPECT_THAT(sinks_[0].outcome().reading.probes[0].values, ElementsAre(1, 2));
  EXPECT_THAT(sinks_[1].outcome().reading.probes[0].values, ElementsAre(3));
  EXPECT_THAT(sinks_[1].outcome().reading.probes[0].trajectory, ElementsAre(3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
  EXPECT_EQ(sinks_[0].outcome().reading.statistics.size(), 2U);
  EXPECT_EQ(sinks_[0].outcome().batch_size, 3);
  EXPECT_EQ(sinks_[0].answers(), 1);
  EXPECT_EQ(sinks_[1].answers(), 1);
  EXPECT_THAT(script_->batches(), ElementsAre(3));
}

TEST_F(RunBatchTest, RecordsWhatItDid) {
  Request a = New({1, 2}, 0);
  a.enqueued = clock_.Now();
  clock_.Advance(std::chrono::seconds(2));
  script_->on_advance = [this](std::int64_t) {
    clock_.Advance(std::chrono::seconds(1));
    return Status();
  };
  Run(Alone(std::move(a)));
  ASSERT_EQ(records_.size(), 1U);
  EXPECT_EQ(records_[0].requests, 1);
  EXPECT_EQ(records_[0].samples, 2);
  EXPECT_EQ(records_[0].steps, 10);
  EXPECT_EQ(records_[0].spikes, 20);  // one per step, sample and layer
  EXPECT_EQ(records_[0].queue_s, 2);
  EXPECT_EQ(records_[0].compute_s, 3);  // chunks of 4, 4 and 2 steps
  EXPECT_EQ(sinks_[0].outcome().queue_s, 2);
  EXPECT_EQ(sinks_[0].outcome().compute_s, 3);
}

TEST_F(RunBatchTest, ABadSampleTakesOnlyItsRequest) {
  script_->sample_status = [](std::size_t sample) {
    return sample == 1 ? OutOfRange("voltage is inf") : Status();
  };
  Run(Together(New({1, 2}, 0), New({3}, 1)));
  EXPECT_EQ(sinks_[0].status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(sinks_[0].status().message(), "sample 1: voltage is inf");
  EXPECT_TRUE(sinks_[1].status().ok());
}

TEST_F(RunBatchTest, ACancelledRequestIsAnsweredBetweenChunksAndTheOthersGoOn) {
  std::stop_source cancel;
  Request a = New({1}, 0);
  a.cancelled = cancel.get_token();
  script_->on_advance = [&](std::int64_t done) {
    if (done == 4) {
      cancel.request_stop();
    }
    if (done == 8) {
      EXPECT_EQ(sinks_[0].status().code(), StatusCode::kCancelled);
    }
    return Status();
  };
  Run(Together(std::move(a), New({3}, 1)));
  EXPECT_EQ(sinks_[0].answers(), 1);
  EXPECT_THAT(sinks_[1].outcome().reading.probes[0].values, ElementsAre(3));
}

TEST_F(RunBatchTest, EndsWhenNobodyWaits) {
  Request a = New({1}, 0);
  a.deadline = clock_.Now() + std::chrono::seconds(2);
  script_->on_advance = [this](std::int64_t) {
    clock_.Advance(std::chrono::seconds(1));
    return Status();
  };
  ChangeSpec(a, [](SimulationSpec& s) { s.settings.steps = 1000; });
  Run(Alone(std::move(a)));
  EXPECT_EQ(sinks_[0].status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(script_->steps, 4);  // the second chunk of 4 was stopped
}

TEST_F(RunBatchTest, DoesNotStartForTheExpired) {
  Request a = New({1}, 0);
  a.deadline = clock_.Now();
  Run(Together(std::move(a), New({3}, 1)));
  EXPECT_EQ(sinks_[0].status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(sinks_[1].status().ok());
  EXPECT_THAT(script_->batches(), ElementsAre(1));
}

TEST_F(RunBatchTest, StopAnswersUnavailable) {
  script_->on_advance = [this](std::int64_t) {
    stop_.request_stop();
    return Status();
  };
  Run(Alone(New({1}, 0)));
  EXPECT_EQ(sinks_[0].status().code(), StatusCode::kUnavailable);
  Run(Alone(New({1}, 1)));
  EXPECT_EQ(sinks_[1].status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(script_->batches().size(), 1U);
}

TEST_F(RunBatchTest, ReportsEverySoManyStepsButNotAtTheEnd) {
  Request a = New({1}, 0);
  Request b = New({2}, 1);
  a.report_every = b.report_every = 5;
  for (Request* request : {&a, &b}) {
    ChangeSpec(*request, [](SimulationSpec& s) { s.trajectories = true; });
  }
  Run(Together(std::move(a), std::move(b)));
  ASSERT_EQ(sinks_[1].progress().size(), 1U);
  EXPECT_EQ(sinks_[1].progress()[0].steps_done, 5);
  EXPECT_THAT(sinks_[1].progress()[0].probes[0].values, ElementsAre(2));
  EXPECT_TRUE(sinks_[1].progress()[0].probes[0].trajectory.empty());
  EXPECT_EQ(sinks_[1].outcome().reading.probes[0].trajectory.size(), 10U);
}

TEST_F(RunBatchTest, ReportsToALoneRequestWhatItWouldToOneOfSeveral) {
  Request a = New({1, 2}, 0);
  a.report_every = 5;
  ChangeSpec(a, [](SimulationSpec& s) { s.trajectories = s.statistics = true; });
  Run(Alone(std::move(a)));
  ASSERT_EQ(sinks_[0].progress().size(), 1U);
  const engine::Reading& progress = sinks_[0].progress()[0];
  EXPECT_EQ(progress.steps_done, 5);
  EXPECT_THAT(progress.probes[0].values, ElementsAre(1, 2));
  EXPECT_TRUE(progress.probes[0].trajectory.empty());
  EXPECT_TRUE(progress.statistics.empty() && progress.spikes.empty() && progress.records.empty());
  EXPECT_EQ(sinks_[0].outcome().reading.probes[0].trajectory.size(), 20U);
  EXPECT_EQ(sinks_[0].outcome().reading.statistics.size(), 2U);
}

TEST_F(RunBatchTest, SplitsABatchThatTheBudgetDoesNotHold) {
  MemoryBudget small(150);  // one sample needs 100
  Batch batch;
  for (std::size_t i = 0; i < 3; ++i) {
    batch.push_back(New({static_cast<float>(i)}, i));
  }
  RunBatch(std::move(batch), {small, clock_, 4, {}}, {});
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(sinks_[i].status().ok());
    EXPECT_THAT(sinks_[i].outcome().reading.probes[0].values, ElementsAre(static_cast<double>(i)));
  }
  EXPECT_THAT(script_->batches(), ElementsAre(1, 1, 1));
  EXPECT_EQ(small.used_bytes(), 0);
}

TEST_F(RunBatchTest, RefusesARequestThatTheBudgetDoesNotHoldAlone) {
  MemoryBudget small(150);
  RunBatch(Together(New({1, 2}, 0), New({3}, 1)), {small, clock_, 4, {}}, {});
  EXPECT_EQ(sinks_[0].status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(sinks_[0].status().message(), HasSubstr("a run of 2 samples"));
  EXPECT_TRUE(sinks_[1].status().ok());
}

TEST_F(RunBatchTest, WhatTheEngineReturnsOrThrowsBecomesTheAnswer) {
  script_->on_advance = [](std::int64_t) { return Internal("device lost"); };
  Run(Together(New({1}, 0), New({2}, 1)));
  EXPECT_EQ(sinks_[0].status().message(), "device lost");
  EXPECT_EQ(sinks_[1].status().message(), "device lost");
  script_->on_advance = [](std::int64_t) -> Status { throw std::bad_alloc(); };
  Run(Alone(New({1}, 2)));
  EXPECT_EQ(sinks_[2].status().code(), StatusCode::kResourceExhausted);
  script_->on_advance = [](std::int64_t) -> Status { throw std::runtime_error("odd"); };
  Run(Alone(New({1}, 3)));
  EXPECT_EQ(sinks_[3].status().code(), StatusCode::kInternal);
  EXPECT_EQ(script_->simulations, 0);
  EXPECT_EQ(budget_.used_bytes(), 0);
}

TEST_F(RunBatchTest, GivesBackInputsAndNetworkBeforeItAnswers) {
  std::int64_t simulations = -1;
  std::weak_ptr<const void> inputs;
  sinks_[0].before_done = [&] {
    simulations = script_->simulations;
    EXPECT_TRUE(inputs.expired());
  };
  Request a = New({1}, 0);
  inputs = a.input_bytes;
  Run(Alone(std::move(a)));
  EXPECT_EQ(simulations, 0);
  EXPECT_EQ(sinks_[0].answers(), 1);
}

}  // namespace
}  // namespace spikeserve::serving
