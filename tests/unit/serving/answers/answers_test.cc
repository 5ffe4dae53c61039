#include "server/serving/answers/answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <new>
#include <optional>
#include <string>

#include "tests/support/entries.h"
#include "tests/support/eventually.h"
#include "tests/support/failing_allocations.h"
#include "tests/support/fake_clock.h"
#include "tests/support/requests.h"

namespace spikeserve::serving {
namespace {

using ::spikeserve::testing::Eventually;
using ::spikeserve::testing::FailingAllocation;
using ::spikeserve::testing::FakeClock;
using ::spikeserve::testing::FakeScript;
using ::spikeserve::testing::MakeEntry;
using ::spikeserve::testing::MakeRequest;
using ::spikeserve::testing::RecordingSink;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kRoom = 1 << 20;

// Requests go through `answers_` to a batcher whose runs the test does itself.
class AnswersTest : public ::testing::Test {
 protected:
  struct Caller {
    RecordingSink sink;
    std::stop_source stop;
    Tenant::Permit permit;
  };

  Request New(std::size_t caller, float value = 1) {
    Request request = MakeRequest(network_, {value}, callers_[caller].sink);
    request.cancelled = callers_[caller].stop.get_token();
    return request;
  }
  Status Submit(std::size_t caller, const std::string& key = "key", float value = 1) {
    return answers_->Submit(key, New(caller, value), callers_[caller].permit);
  }
  void Cancel(std::size_t caller) {
    callers_[caller].stop.request_stop();
    answers_->Sweep();
  }
  // The run that is due, if there is one, has its turn.
  bool Turn() {
    auto run = batcher_.Poll();
    if (!run) {
      return false;
    }
    run->Work({budget_, clock_, 4, {}}, {}, seconds(1));
    batcher_.Return(std::move(run));
    return true;
  }
  // Runs all that waits in the batcher.
  void Work() {
    while (Turn()) {
    }
  }
  // A tenant that may have one sample simulated, and the next in a long time.
  std::shared_ptr<Tenant> OneSample() {
    TenantRules rules;
    rules.limits.samples_per_second = 0.001;
    rules.limits.samples_burst = 1;
    return std::make_shared<Tenant>("t", rules, clock_);
  }
  Reuse ReuseOf(std::size_t caller) { return callers_[caller].sink.outcome().reuse; }
  const RecordingSink& Sink(std::size_t caller) { return callers_[caller].sink; }
  double Value(std::size_t caller) { return Sink(caller).outcome().reading->probes[0].values[0]; }

  FakeClock clock_;
  MemoryBudget budget_{1'000'000};
  std::shared_ptr<FakeScript> script_ = std::make_shared<FakeScript>();
  NetworkHandle network_{MakeEntry(script_)};
  std::array<Caller, 6> callers_;
  Batcher batcher_{{}, clock_};
  std::atomic<bool> ready_ = true;
  std::optional<Answers> answers_{std::in_place, kRoom, batcher_, clock_,
                                  [this](const AnswerOrigin&) { return ready_.load(); }};
};

TEST_F(AnswersTest, EqualRequestsAtTheSameTimeRunOnce) {
  for (std::size_t i = 0; i < 4; ++i) {
    ASSERT_TRUE(Submit(i).ok());
  }
  EXPECT_EQ(batcher_.queued_samples(), 1);
  Work();
  EXPECT_THAT(script_->batches(), ElementsAre(1));
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(Sink(i).answers(), 1);
    EXPECT_TRUE(Sink(i).status().ok());
    EXPECT_EQ(Sink(i).outcome().reading, Sink(0).outcome().reading);
    EXPECT_EQ(ReuseOf(i), i == 0 ? Reuse::kNone : Reuse::kCoalesced);
    EXPECT_EQ(Sink(i).outcome().batch_size, 1);
  }
  const AnswerCounts counts = answers_->counts();
  EXPECT_EQ(counts.misses, 1);
  EXPECT_EQ(counts.coalesced, 3);
  EXPECT_EQ(counts.hits, 0);
}

TEST_F(AnswersTest, ALaterOneIsAnsweredAtOnceByWhatIsKept) {
  ASSERT_TRUE(Submit(0).ok());
  Work();
  ASSERT_TRUE(Submit(1).ok());
  EXPECT_EQ(Sink(1).answers(), 1);
  EXPECT_EQ(Sink(1).outcome().reading, Sink(0).outcome().reading);
  EXPECT_EQ(ReuseOf(1), Reuse::kCached);
  EXPECT_EQ(Sink(1).outcome().batch_size, 0);
  EXPECT_EQ(Sink(1).outcome().compute_s, 0);
  EXPECT_EQ(batcher_.queued_samples(), 0);
  EXPECT_EQ(answers_->counts().hits, 1);
  EXPECT_EQ(answers_->counts().kept, 1);
  EXPECT_GT(answers_->counts().bytes, 0);
}

TEST_F(AnswersTest, OtherKeysDoNotMix) {
  ASSERT_TRUE(Submit(0, "a", 1).ok());
  ASSERT_TRUE(Submit(1, "b", 2).ok());
  Work();
  ASSERT_TRUE(Submit(2, "b").ok());
  ASSERT_TRUE(Submit(3, "a").ok());
  EXPECT_EQ(Value(0), 1);
  EXPECT_EQ(Value(1), 2);
  EXPECT_EQ(Value(2), 2);
  EXPECT_EQ(Value(3), 1);
}

TEST_F(AnswersTest, TheTimesOfOneThatCameLaterCountFromThen) {
  ASSERT_TRUE(Submit(0).ok());
  clock_.Advance(seconds(3));
  ASSERT_TRUE(Submit(1).ok());
  clock_.Advance(seconds(1));
  script_->on_advance = [this](std::int64_t done) {
    clock_.Advance(seconds(2));
    if (done == 4) {
      static_cast<void>(Submit(2));
    }
    return Status();
  };
  Work();  // three chunks of two seconds
  EXPECT_DOUBLE_EQ(Sink(0).outcome().queue_s, 4);
  EXPECT_DOUBLE_EQ(Sink(0).outcome().compute_s, 6);
  EXPECT_DOUBLE_EQ(Sink(1).outcome().queue_s, 1);
  EXPECT_DOUBLE_EQ(Sink(1).outcome().compute_s, 6);
  EXPECT_DOUBLE_EQ(Sink(2).outcome().queue_s, 0);
  EXPECT_DOUBLE_EQ(Sink(2).outcome().compute_s, 2);
}

TEST_F(AnswersTest, TheCancelOfTheFirstLeavesTheRunToTheOthers) {
  ASSERT_TRUE(Submit(0).ok());
  ASSERT_TRUE(Submit(1).ok());
  Cancel(0);
  EXPECT_EQ(Sink(0).status().code(), StatusCode::kCancelled);
  EXPECT_EQ(Sink(1).answers(), 0);
  EXPECT_EQ(batcher_.queued_samples(), 1);
  ASSERT_TRUE(Submit(2).ok());
  Work();
  EXPECT_TRUE(Sink(1).status().ok());
  EXPECT_TRUE(Sink(2).status().ok());
  EXPECT_EQ(Sink(0).answers(), 1);
  EXPECT_EQ(ReuseOf(1), Reuse::kCoalesced);
  EXPECT_THAT(script_->batches(), ElementsAre(1));
}

TEST_F(AnswersTest, TheCancelOfTheLastEndsTheRun) {
  ASSERT_TRUE(Submit(0).ok());
  ASSERT_TRUE(Submit(1).ok());
  Cancel(0);
  Cancel(1);
  EXPECT_EQ(Sink(1).status().code(), StatusCode::kCancelled);
  EXPECT_EQ(batcher_.queued_samples(), 0);
  ASSERT_TRUE(Submit(2).ok());  // begins anew
  Work();
  EXPECT_TRUE(Sink(2).status().ok());
  EXPECT_EQ(ReuseOf(2), Reuse::kNone);
}

TEST_F(AnswersTest, ARunThatNobodyWaitsForEndsAtItsNextChunk) {
  script_->on_advance = [this](std::int64_t done) {
    if (done == 4) {
      Cancel(0);
      static_cast<void>(Submit(1));  // not to be held up by the run that ends
    }
    return Status();
  };
  ASSERT_TRUE(Submit(0).ok());
  EXPECT_TRUE(Turn());
  EXPECT_LT(script_->steps, 10);
  EXPECT_EQ(Sink(0).status().code(), StatusCode::kCancelled);
  EXPECT_EQ(Sink(1).answers(), 0);
  script_->on_advance = {};
  Work();
  EXPECT_TRUE(Sink(1).status().ok());
  EXPECT_EQ(ReuseOf(1), Reuse::kNone);
}

TEST_F(AnswersTest, EachHasItsOwnDeadline) {
  Request soon = New(0);
  soon.deadline = clock_.Now() + seconds(5);
  ASSERT_TRUE(answers_->Submit("key", std::move(soon), callers_[0].permit).ok());
  ASSERT_TRUE(Submit(1).ok());
  Request sooner = New(2);
  sooner.deadline = clock_.Now() + seconds(1);
  ASSERT_TRUE(answers_->Submit("key", std::move(sooner), callers_[2].permit).ok());
  clock_.Advance(seconds(2));
  answers_->Sweep();
  EXPECT_EQ(Sink(2).status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Sink(0).answers(), 0);
  clock_.Advance(seconds(4));
  answers_->Sweep();
  EXPECT_EQ(Sink(0).status().code(), StatusCode::kDeadlineExceeded);
  Work();
  EXPECT_TRUE(Sink(1).status().ok());
  EXPECT_THAT(script_->batches(), ElementsAre(1));
}

TEST_F(AnswersTest, ADeadlineThatCannotBeMetIsRefusedAtOnce) {
  script_->on_advance = [this](std::int64_t) {
    clock_.Advance(seconds(2));
    return Status();
  };
  for (int i = 0; i < 3; ++i) {  // what a run costs is known after some
    ASSERT_TRUE(Submit(0, std::to_string(i)).ok());
    Work();
  }
  Request hasty = New(1);
  hasty.deadline = clock_.Now() + std::chrono::milliseconds(1);
  const Status status = answers_->Submit("key", std::move(hasty), callers_[1].permit);
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded);
  EXPECT_THAT(status.message(), HasSubstr("the deadline cannot be met"));
  EXPECT_EQ(Sink(1).answers(), 0);
  ASSERT_TRUE(Submit(2).ok());  // nothing is left that it would wait for
  Work();
  EXPECT_EQ(ReuseOf(2), Reuse::kNone);
}

TEST_F(AnswersTest, WhereARunIsDroppedTheNextOneBeginsAnother) {
  std::atomic<bool> full = true;
  script_->on_advance = [&](std::int64_t) { return full ? ResourceExhausted("full") : Status(); };
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(Submit(i).ok());
  }
  EXPECT_TRUE(Turn());
  EXPECT_EQ(Sink(0).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(Sink(1).answers() + Sink(2).answers(), 0);
  ASSERT_TRUE(Eventually([&] { return batcher_.queued_samples() == 1; }));
  full = false;
  Work();
  EXPECT_TRUE(Sink(1).status().ok());
  EXPECT_EQ(Sink(1).answers(), 1);
  EXPECT_EQ(ReuseOf(1), Reuse::kNone);
  EXPECT_EQ(ReuseOf(2), Reuse::kCoalesced);
  EXPECT_EQ(Sink(2).answers(), 1);
}

TEST_F(AnswersTest, WhereNothingMoreIsTakenAllAreToldIt) {
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(Submit(i).ok());
  }
  batcher_.Close();
  batcher_.FailQueued(Unavailable("the server is shutting down"));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(Eventually([&] { return Sink(i).answers() == 1; }));
    EXPECT_EQ(Sink(i).status().code(), StatusCode::kUnavailable);
  }
  EXPECT_EQ(Submit(3).code(), StatusCode::kUnavailable);
  EXPECT_EQ(Sink(3).answers(), 0);
}

TEST_F(AnswersTest, AFaultOfTheRequestIsToldToAllAndNotKept) {
  script_->sample_status = [](std::size_t) { return Status(StatusCode::kOutOfRange, "its numbers"); };
  ASSERT_TRUE(Submit(0).ok());
  ASSERT_TRUE(Submit(1).ok());
  Work();
  EXPECT_EQ(Sink(0).status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(Sink(1).status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(answers_->counts().kept, 0);
  EXPECT_THAT(script_->batches(), ElementsAre(1));
}

TEST_F(AnswersTest, OnlyARunCostsSamplesOfTheQuota) {
  const auto tenant = OneSample();
  for (std::size_t i = 0; i < 5; ++i) {
    callers_[i].permit = tenant->Admit(0, 10).value();
  }
  ASSERT_TRUE(Submit(0).ok());
  ASSERT_TRUE(Submit(1).ok());
  Work();
  ASSERT_TRUE(Submit(2).ok());
  EXPECT_TRUE(Sink(2).status().ok());
  const Status refused = Submit(3, "another");
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.message(), HasSubstr("samples_per_second"));
  EXPECT_EQ(tenant->usage().requests, 5);
  clock_.Advance(seconds(1'001));
  EXPECT_TRUE(Submit(4, "another").ok());
  Work();
}

TEST_F(AnswersTest, WhoTakesOverNeedsSamplesOfTheQuotaToo) {
  const auto tenant = OneSample();
  script_->on_advance = [](std::int64_t) { return ResourceExhausted("full"); };
  for (std::size_t i = 0; i < 3; ++i) {
    callers_[i].permit = tenant->Admit(0, 10).value();
    ASSERT_TRUE(Submit(i).ok());
  }
  Work();
  EXPECT_THAT(Sink(0).status().message(), HasSubstr("full"));
  for (std::size_t i = 1; i < 3; ++i) {
    ASSERT_TRUE(Eventually([&] { return Sink(i).answers() == 1; }));
    EXPECT_THAT(Sink(i).status().message(), HasSubstr("samples_per_second"));
  }
  EXPECT_EQ(batcher_.queued_samples(), 0);
}

TEST_F(AnswersTest, WhoHasNoMemoryIsRefusedAndNobodyIsLeftBehind) {
  bool failed = true;
  for (int which = 0; failed; ++which) {
    const std::string key = "key " + std::to_string(which);
    std::array<Caller, 3> callers;
    std::array<int, 3> taken{};
    failed = false;
    for (std::size_t i = 0; i < callers.size(); ++i) {
      Request request = MakeRequest(network_, {1}, callers[i].sink);
      const FailingAllocation failing(which);
      try {
        taken[i] = answers_->Submit(key, std::move(request), callers[i].permit).ok() ? 1 : 0;
      } catch (const std::bad_alloc&) {
      }
      failed = failed || failing.failed();
    }
    // Those whose run was refused begin another on a thread of the answers.
    for (std::size_t i = 0; i < callers.size(); ++i) {
      const auto answered = [&] { return Work(), callers[i].sink.answers() == taken[i]; };
      ASSERT_TRUE(Eventually(answered)) << "allocation " << which << ", caller " << i;
    }
  }
}

TEST_F(AnswersTest, WhoIsInAHurryDoesNotWaitForWhoIsNot) {
  Request patient = New(0);
  patient.priority = 3;
  ASSERT_TRUE(answers_->Submit("key", std::move(patient), callers_[0].permit).ok());
  Request urgent = New(1);
  urgent.priority = 1;
  ASSERT_TRUE(answers_->Submit("key", std::move(urgent), callers_[1].permit).ok());
  EXPECT_EQ(batcher_.queued_samples(), 2);
  EXPECT_EQ(answers_->counts().misses, 2);
  Work();
  ASSERT_TRUE(Submit(2).ok());
  EXPECT_EQ(ReuseOf(2), Reuse::kCached);
  EXPECT_EQ(answers_->counts().kept, 1);
}

TEST_F(AnswersTest, WhatIsUnloadedIsDroppedAndNotKeptAnyMore) {
  ASSERT_TRUE(Submit(0).ok());
  Work();
  ready_ = false;
  answers_->DropUnloaded("other");
  EXPECT_EQ(answers_->counts().kept, 1);
  answers_->DropUnloaded("net");
  EXPECT_EQ(answers_->counts().kept, 0);
  EXPECT_EQ(answers_->counts().bytes, 0);
  ASSERT_TRUE(Submit(1).ok());  // it had the network before
  Work();
  EXPECT_TRUE(Sink(1).status().ok());
  EXPECT_EQ(answers_->counts().kept, 0);
}

TEST_F(AnswersTest, AnAnswerFindsAllGivenBack) {
  std::array<std::int64_t, 2> used{-1, -1};
  for (std::size_t i = 0; i < 2; ++i) {
    Request request = New(i);
    request.reservation = budget_.Reserve(1'000, "the input").value();
    callers_[i].sink.before_done = [&, i] { used[i] = budget_.used_bytes(); };
    ASSERT_TRUE(answers_->Submit("key", std::move(request), callers_[i].permit).ok());
  }
  Work();
  EXPECT_EQ(used[1], used[0] - 1'000);
  EXPECT_EQ(budget_.used_bytes(), 0);
}

}  // namespace
}  // namespace spikeserve::serving
