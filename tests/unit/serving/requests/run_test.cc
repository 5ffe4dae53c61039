#include "server/serving/requests/run.h"

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

class RunTest : public ::testing::Test {
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
  // Works on all of it, in as many runs as it takes.
  void RunAll(Batch batch, const RunContext& context) {
    while (!batch.empty()) {
      for (Request& request : batch) {
        request.progress.taken = request.samples_left();
      }
      serving::Run run(std::move(batch), false);
      run.Work(context, stop_.get_token(), {});
      batch = run.TakeLeftOver();
      if (!run.ended()) {
        run.Fail(run.no_memory());
      }
      for (Request& request : std::move(run).TakeRequests()) {
        if (request.sink != nullptr) {
          batch.push_back(std::move(request));
        }
      }
    }
  }
  void Work(Batch batch) { RunAll(std::move(batch), context_); }

  FakeClock clock_;
  MemoryBudget budget_{10'000};
  std::shared_ptr<FakeScript> script_ = std::make_shared<FakeScript>();
  NetworkHandle network_{MakeEntry(script_)};
  std::array<RecordingSink, 4> sinks_;
  std::vector<RunRecord> records_;
  std::stop_source stop_;
  RunContext context_{budget_, clock_, 4, [this](const RunRecord& record) { records_.push_back(record); }};
};

TEST_F(RunTest, AnswersEachRequestWithItsOwnSamples) {
  Request a = New({1, 2}, 0);
  Request b = New({3}, 1);
  for (Request* request : {&a, &b}) {
    ChangeSpec(*request, [](SimulationSpec& s) { s.trajectories = s.statistics = true; });
  }
  Work(Together(std::move(a), std::move(b)));
  ASSERT_TRUE(sinks_[0].status().ok());
  EXPECT_THAT(sinks_[0].outcome().reading->probes[0].values, ElementsAre(1, 2));
  EXPECT_THAT(sinks_[1].outcome().reading->probes[0].values, ElementsAre(3));
  EXPECT_THAT(sinks_[1].outcome().reading->probes[0].trajectory,
              ElementsAre(3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
  EXPECT_EQ(sinks_[0].outcome().reading->statistics.size(), 2U);
  EXPECT_EQ(sinks_[0].outcome().batch_size, 3);
  EXPECT_EQ(sinks_[0].answers(), 1);
  EXPECT_EQ(sinks_[1].answers(), 1);
  EXPECT_THAT(script_->batches(), ElementsAre(3));
}

TEST_F(RunTest, MakesNoReportThatNobodyWants) {
  std::vector<std::int64_t> advanced;
  script_->on_advance = [&](std::int64_t done) {
    advanced.push_back(done);
    return Status();
  };
  sinks_[0].wants_progress = [&] {
    return advanced.size() < 2 || advanced.size() == 3 || advanced.size() == 4;
  };
  Request request = New({1}, 0);
  request.report_every = 1;
  Work(Alone(std::move(request)));
  // Two single steps, a chunk of four (the most), two single ones, and a chunk to the end.
  EXPECT_THAT(advanced, ElementsAre(0, 1, 2, 6, 7, 8));
  std::vector<std::int64_t> reported;
  for (const engine::Reading& reading : sinks_[0].progress()) {
    reported.push_back(reading.steps_done);
  }
  EXPECT_THAT(reported, ElementsAre(1, 6, 7));
  EXPECT_TRUE(sinks_[0].status().ok());
}

TEST_F(RunTest, RecordsWhatItDid) {
  Request a = New({1, 2}, 0);
  a.enqueued = clock_.Now();
  clock_.Advance(std::chrono::seconds(2));
  script_->on_advance = [this](std::int64_t) {
    clock_.Advance(std::chrono::seconds(1));
    return Status();
  };
  Work(Alone(std::move(a)));
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

TEST_F(RunTest, RecordsBeforeItAnswers) {
  std::size_t recorded = 0;
  sinks_[0].before_done = [&] { recorded = records_.size(); };
  Work(Alone(New({1, 2}, 0)));
  ASSERT_EQ(sinks_[0].answers(), 1);
  EXPECT_EQ(recorded, 1U);  // who is answered may read the metrics at once
}

TEST_F(RunTest, ABadSampleTakesOnlyItsRequest) {
  script_->sample_status = [](std::size_t sample) {
    return sample == 1 ? OutOfRange("voltage is inf") : Status();
  };
  Work(Together(New({1, 2}, 0), New({3}, 1)));
  EXPECT_EQ(sinks_[0].status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(sinks_[0].status().message(), "sample 1: voltage is inf");
  EXPECT_TRUE(sinks_[1].status().ok());
}

TEST_F(RunTest, ACancelledRequestIsAnsweredBetweenChunksAndTheOthersGoOn) {
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
  Work(Together(std::move(a), New({3}, 1)));
  EXPECT_EQ(sinks_[0].answers(), 1);
  EXPECT_THAT(sinks_[1].outcome().reading->probes[0].values, ElementsAre(3));
}

TEST_F(RunTest, EndsWhenNobodyWaits) {
  Request a = New({1}, 0);
  a.deadline = clock_.Now() + std::chrono::seconds(2);
  script_->on_advance = [this](std::int64_t) {
    clock_.Advance(std::chrono::seconds(1));
    return Status();
  };
  ChangeSpec(a, [](SimulationSpec& s) { s.settings.steps = 1000; });
  Work(Alone(std::move(a)));
  EXPECT_EQ(sinks_[0].status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(script_->steps, 4);  // the second chunk of 4 was stopped
}

TEST_F(RunTest, DoesNotStartForTheExpired) {
  Request a = New({1}, 0);
  a.deadline = clock_.Now();
  Work(Together(std::move(a), New({3}, 1)));
  EXPECT_EQ(sinks_[0].status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(sinks_[1].status().ok());
  EXPECT_THAT(script_->batches(), ElementsAre(1));
}

TEST_F(RunTest, StopAnswersUnavailable) {
  script_->on_advance = [this](std::int64_t) {
    stop_.request_stop();
    return Status();
  };
  Work(Alone(New({1}, 0)));
  EXPECT_EQ(sinks_[0].status().code(), StatusCode::kUnavailable);
  Work(Alone(New({1}, 1)));
  EXPECT_EQ(sinks_[1].status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(script_->batches().size(), 1U);
}

TEST_F(RunTest, ReportsEverySoManyStepsButNotAtTheEnd) {
  Request a = New({1}, 0);
  Request b = New({2}, 1);
  a.report_every = b.report_every = 5;
  for (Request* request : {&a, &b}) {
    ChangeSpec(*request, [](SimulationSpec& s) { s.trajectories = true; });
  }
  Work(Together(std::move(a), std::move(b)));
  ASSERT_EQ(sinks_[1].progress().size(), 1U);
  EXPECT_EQ(sinks_[1].progress()[0].steps_done, 5);
  EXPECT_THAT(sinks_[1].progress()[0].probes[0].values, ElementsAre(2));
  EXPECT_TRUE(sinks_[1].progress()[0].probes[0].trajectory.empty());
  EXPECT_EQ(sinks_[1].outcome().reading->probes[0].trajectory.size(), 10U);
}

TEST_F(RunTest, ReportsToALoneRequestWhatItWouldToOneOfSeveral) {
  Request a = New({1, 2}, 0);
  a.report_every = 5;
  ChangeSpec(a, [](SimulationSpec& s) { s.trajectories = s.statistics = true; });
  Work(Alone(std::move(a)));
  ASSERT_EQ(sinks_[0].progress().size(), 1U);
  const engine::Reading& progress = sinks_[0].progress()[0];
  EXPECT_EQ(progress.steps_done, 5);
  EXPECT_THAT(progress.probes[0].values, ElementsAre(1, 2));
  EXPECT_TRUE(progress.probes[0].trajectory.empty());
  EXPECT_TRUE(progress.statistics.empty() && progress.spikes.empty() && progress.records.empty());
  EXPECT_EQ(sinks_[0].outcome().reading->probes[0].trajectory.size(), 20U);
  EXPECT_EQ(sinks_[0].outcome().reading->statistics.size(), 2U);
}

TEST_F(RunTest, SplitsABatchThatTheBudgetDoesNotHold) {
  MemoryBudget small(150);  // one sample needs 100
  Batch batch;
  for (std::size_t i = 0; i < 3; ++i) {
    batch.push_back(New({static_cast<float>(i)}, i));
  }
  RunAll(std::move(batch), {small, clock_, 4, {}});
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(sinks_[i].status().ok());
    EXPECT_THAT(sinks_[i].outcome().reading->probes[0].values, ElementsAre(static_cast<double>(i)));
  }
  EXPECT_THAT(script_->batches(), ElementsAre(1, 1, 1));
  EXPECT_EQ(small.used_bytes(), 0);
}

TEST_F(RunTest, SimulatesInPartsWhatTheBudgetDoesNotHoldAtOnce) {
  MemoryBudget small(150);  // one sample needs 100
  Request a = New({1, 2, 3}, 0);
  ChangeSpec(a, [](SimulationSpec& s) { s.trajectories = s.statistics = true; });
  a.result_bytes = 40;
  RunAll(Together(std::move(a), New({4}, 1)), {small, clock_, 4, {}});
  ASSERT_TRUE(sinks_[0].status().ok());
  const engine::Reading& reading = *sinks_[0].outcome().reading;
  EXPECT_THAT(reading.probes[0].values, ElementsAre(1, 2, 3));
  EXPECT_EQ(reading.probes[0].trajectory.size(), 30U);
  EXPECT_EQ(reading.probes[0].trajectory[10], 2);
  EXPECT_EQ(reading.statistics.size(), 3U);
  EXPECT_EQ(reading.spikes.size(), 3U);
  EXPECT_EQ(reading.steps_done, 10);
  EXPECT_EQ(sinks_[0].outcome().batch_size, 1);
  EXPECT_THAT(sinks_[1].outcome().reading->probes[0].values, ElementsAre(4));
  EXPECT_THAT(script_->batches(), ElementsAre(1, 1, 1, 1));
  EXPECT_EQ(small.used_bytes(), 0);
}

TEST_F(RunTest, RefusesAReportingRequestThatTheBudgetDoesNotHoldAlone) {
  MemoryBudget small(150);
  Request a = New({1, 2}, 0);
  a.report_every = 5;
  RunAll(Alone(std::move(a)), {small, clock_, 4, {}});
  EXPECT_EQ(sinks_[0].status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(sinks_[0].status().message(), HasSubstr("a run of 2 samples"));
}

TEST_F(RunTest, NamesABadSampleByItsPlaceInTheRequest) {
  MemoryBudget small(150);
  int runs = 0;
  script_->sample_status = [&](std::size_t) { return ++runs == 3 ? OutOfRange("voltage is inf") : Status(); };
  Request a = New({1, 2, 3}, 0);
  RunAll(Alone(std::move(a)), {small, clock_, 4, {}});
  EXPECT_EQ(sinks_[0].status().message(), "sample 2: voltage is inf");
}

TEST_F(RunTest, WorksInTurnsAndKeepsWhatItHasInBetween) {
  script_->on_advance = [this](std::int64_t) {
    clock_.Advance(std::chrono::seconds(1));
    return Status();
  };
  Request a = New({1, 2}, 0);
  a.progress.taken = 2;
  serving::Run run(Alone(std::move(a)), true);
  int turns = 0;
  while (!run.ended()) {
    run.Work(context_, stop_.get_token(), std::chrono::seconds(1));
    EXPECT_EQ(run.turn_s(), 1);
    clock_.Advance(std::chrono::seconds(10));
    ++turns;
  }
  EXPECT_EQ(turns, 3);  // 4, 4 and 2 steps
  EXPECT_THAT(sinks_[0].outcome().reading->probes[0].values, ElementsAre(1, 2));
  EXPECT_EQ(sinks_[0].outcome().compute_s, 3);
  EXPECT_EQ(records_.size(), 1U);
  EXPECT_EQ(budget_.used_bytes(), 0);
}

TEST_F(RunTest, WhatTheEngineReturnsOrThrowsBecomesTheAnswer) {
  script_->on_advance = [](std::int64_t) { return Internal("device lost"); };
  Work(Together(New({1}, 0), New({2}, 1)));
  EXPECT_EQ(sinks_[0].status().message(), "device lost");
  EXPECT_EQ(sinks_[1].status().message(), "device lost");
  script_->on_advance = [](std::int64_t) -> Status { throw std::bad_alloc(); };
  Work(Alone(New({1}, 2)));
  EXPECT_EQ(sinks_[2].status().code(), StatusCode::kResourceExhausted);
  script_->on_advance = [](std::int64_t) -> Status { throw std::runtime_error("odd"); };
  Work(Alone(New({1}, 3)));
  EXPECT_EQ(sinks_[3].status().code(), StatusCode::kInternal);
  EXPECT_EQ(script_->simulations, 0);
  EXPECT_EQ(budget_.used_bytes(), 0);
}

TEST_F(RunTest, GivesBackInputsAndNetworkBeforeItAnswers) {
  std::int64_t simulations = -1;
  std::weak_ptr<const void> inputs;
  sinks_[0].before_done = [&] {
    simulations = script_->simulations;
    EXPECT_TRUE(inputs.expired());
  };
  Request a = New({1}, 0);
  inputs = a.input_bytes;
  Work(Alone(std::move(a)));
  EXPECT_EQ(simulations, 0);
  EXPECT_EQ(sinks_[0].answers(), 1);
}

}  // namespace
}  // namespace spikeserve::serving
