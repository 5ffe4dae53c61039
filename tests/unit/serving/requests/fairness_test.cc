// Who is served when, by a batcher with one worker and a device that takes a known time.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <memory>
#include <string>

#include "server/serving/requests/batcher.h"
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
using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr microseconds kPerSampleStep{10};  // of the device; a sample of ten steps takes 0.1 ms

class FairnessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    script_->on_advance = [this](std::int64_t) {
      clock_.Advance(kPerSampleStep * script_->batches().back() * kChunk);
      return Status();
    };
    MakeKnown(10);
  }
  // The cost of runs of so many steps.
  void MakeKnown(std::int64_t steps) {
    SimulationSpec spec = ::spikeserve::testing::SmallSpec();
    spec.settings.steps = steps;
    for (const std::int64_t samples : {1, 10}) {
      network_->costs->Learn(spec, samples, steps, 1e-5 * static_cast<double>(samples * steps));
    }
  }
  Request New(std::size_t samples, const std::string& client, std::int64_t steps = 10) {
    Request request = MakeRequest(network_, std::vector<float>(samples, 1.0F), sinks_.emplace_back());
    request.client = client;
    ChangeSpec(request, [steps](SimulationSpec& s) { s.settings.steps = steps; });
    return request;
  }
  RecordingSink& Submit(Request request) {
    RecordingSink& sink = sinks_.back();
    const Status status = batcher_.Submit(std::move(request));
    EXPECT_TRUE(status.ok()) << status.message();
    return sink;
  }
  bool Turn() {
    std::unique_ptr<serving::Run> run = batcher_.Poll();
    if (!run) {
      return false;
    }
    run->Work(context_, {}, batcher_.options().turn);
    batcher_.Return(std::move(run));
    return true;
  }
  // Until the sink has its answer.
  milliseconds Await(const RecordingSink& sink) {
    const Clock::TimePoint start = clock_.Now();
    while (sink.answers() == 0 && Turn()) {
    }
    EXPECT_EQ(sink.answers(), 1);
    return std::chrono::duration_cast<milliseconds>(clock_.Now() - start);
  }
  void WorkFor(milliseconds time) {
    const Clock::TimePoint end = clock_.Now() + time;
    while (clock_.Now() < end && Turn()) {
    }
  }

  static constexpr std::int64_t kChunk = 10;
  FakeClock clock_;
  MemoryBudget budget_{std::int64_t{1} << 30};
  std::shared_ptr<FakeScript> script_ = std::make_shared<FakeScript>();
  NetworkHandle network_{MakeEntry(script_)};
  std::deque<RecordingSink> sinks_;
  Batcher batcher_{{.max_batch = 64, .max_queue = 100'000}, clock_};
  const RunContext context_{budget_, clock_, kChunk, {}};
};

TEST_F(FairnessTest, ASmallRequestPassesLargeOnesOfTheSameClient) {
  for (int i = 0; i < 4; ++i) {
    Submit(New(4096, "a"));
  }
  Turn();
  EXPECT_LE(Await(Submit(New(1, "a"))), milliseconds(10));
}

TEST_F(FairnessTest, ASmallRequestPassesLongOnesThatWereStarted) {
  MakeKnown(10'000);
  for (int i = 0; i < 4; ++i) {
    Submit(New(3, "a", 10'000));  // 0.1 s for a sample: in turns
  }
  WorkFor(milliseconds(50));
  EXPECT_LE(Await(Submit(New(1, "a"))), milliseconds(10));
}

TEST_F(FairnessTest, ASmallRequestPassesLongOnesOfAnotherClientAgainAndAgain) {
  for (int i = 0; i < 4; ++i) {
    Submit(New(1000, "a", 10'000));  // nobody knows how long these take
  }
  WorkFor(milliseconds(1000));
  for (int i = 0; i < 50; ++i) {
    EXPECT_LE(Await(Submit(New(1, "b"))), milliseconds(20)) << i;
    WorkFor(milliseconds(20));
  }
}

TEST_F(FairnessTest, LargeRequestsAreServedBesideAFloodOfSmallOnes) {
  RecordingSink& large = Submit(New(1000, "a"));  // 0.1 s
  for (int i = 0; i < 2000 && large.answers() == 0; ++i) {
    for (int k = 0; k < 50; ++k) {
      Submit(New(1, "a"));
    }
    Turn();
  }
  EXPECT_EQ(large.answers(), 1);
  EXPECT_TRUE(large.status().ok());
}

TEST_F(FairnessTest, ManyKindsOfRunCountAsOneClient) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    Request request = New(20, "a");
    ChangeSpec(request, [seed](SimulationSpec& s) { s.settings.seed = seed; });
    Submit(std::move(request));
  }
  Turn();
  EXPECT_LE(Await(Submit(New(1, "b"))), milliseconds(10));
}

TEST_F(FairnessTest, TenantsShareByWeight) {
  std::deque<RecordingSink*> heavy;
  std::deque<RecordingSink*> light;
  for (int i = 0; i < 300; ++i) {
    Request request = New(40, "x");
    request.tenant = "heavy";
    request.weight = 3;
    ChangeSpec(request, [](SimulationSpec& s) { s.settings.seed = 1; });
    heavy.push_back(&Submit(std::move(request)));
    request = New(40, "y");
    request.tenant = "light";
    ChangeSpec(request, [](SimulationSpec& s) { s.settings.seed = 2; });
    light.push_back(&Submit(std::move(request)));
  }
  WorkFor(milliseconds(800));  // of the 2400 that all of it takes
  const auto served = [](const std::deque<RecordingSink*>& sinks) {
    return std::count_if(sinks.begin(), sinks.end(),
                         [](const RecordingSink* s) { return s->answers() == 1; });
  };
  EXPECT_NEAR(static_cast<double>(served(heavy)) / static_cast<double>(served(light)), 3, 0.4);
}

TEST_F(FairnessTest, ALargeRequestIsAnsweredWhole) {
  Request request = New(500, "a");
  for (std::size_t i = 0; i < 500; ++i) {
    request.samples[i].index = static_cast<std::int64_t>(i);
  }
  RecordingSink& sink = Submit(std::move(request));
  Submit(New(1, "b"));
  Await(sink);
  ASSERT_TRUE(sink.status().ok());
  EXPECT_EQ(sink.outcome().reading->probes[0].values.size(), 500U);
  EXPECT_GT(script_->batches().size(), 5U);
  EXPECT_EQ(batcher_.queued_samples(), 0);
  EXPECT_EQ(batcher_.queued_seconds(), 0);
  EXPECT_EQ(budget_.used_bytes(), 0);
}

TEST_F(FairnessTest, RefusesAtOnceWhatCannotMeetItsDeadline) {
  Submit(New(1000, "a"));  // 0.1 s
  Request request = New(1000, "a");
  request.deadline = clock_.Now() + milliseconds(150);
  const Status refused = batcher_.Submit(std::move(request));
  EXPECT_EQ(refused.code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(
      refused.message(),
      "the deadline cannot be met: it is in 0.1500 s, the simulation takes about "
      "0.1000 s and is held up by others for 0.1000 s, with 0.0260 s to spare for what is not foreseen");
  request = New(1000, "a");
  request.deadline = clock_.Now() + milliseconds(250);
  EXPECT_TRUE(batcher_.Submit(std::move(request)).ok());
  request = New(1, "b");
  request.deadline = clock_.Now() + milliseconds(10);
  EXPECT_TRUE(batcher_.Submit(std::move(request)).ok());
}

TEST_F(FairnessTest, WhatCannotEndInTimeIsNotBegun) {
  Request request = New(100, "a");  // 10 ms
  request.deadline = clock_.Now() + milliseconds(40);
  const RecordingSink& sink = Submit(std::move(request));
  clock_.Advance(milliseconds(30));
  EXPECT_FALSE(Turn());
  EXPECT_EQ(sink.status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_THAT(sink.status().message(), HasSubstr("could not be met"));
  EXPECT_THAT(script_->batches(), ::testing::IsEmpty());
}

TEST_F(FairnessTest, NobodyJoinsARunThatWouldMissADeadlineForIt) {
  Request request = New(20, "a");  // 2 ms
  request.deadline = clock_.Now() + milliseconds(3);
  const RecordingSink& first = Submit(std::move(request));
  Submit(New(20, "a"));
  EXPECT_TRUE(Turn());
  EXPECT_TRUE(first.status().ok());
  EXPECT_TRUE(Turn());
  EXPECT_THAT(script_->batches(), ::testing::ElementsAre(20, 20));
}

TEST_F(FairnessTest, AWrongEstimateDoesNotRefuseForEver) {
  network_->costs->Learn(*New(1, "a").spec, 1, 10, 10);  // a hiccup
  int refused = 0;
  for (; refused < 1000; ++refused) {
    Request request = New(1, "a");
    request.deadline = clock_.Now() + milliseconds(100);
    if (batcher_.Submit(std::move(request)).ok()) {
      break;
    }
  }
  EXPECT_GT(refused, 0);
  EXPECT_LT(refused, 1000);
}

TEST_F(FairnessTest, RefusesWhatWouldWaitTooLongAndSaysWhenToTryAgain) {
  Batcher batcher({.max_queue = 100'000, .max_wait = milliseconds(100)}, clock_);
  ASSERT_TRUE(batcher.Submit(New(3000, "a")).ok());  // takes longer, but nothing waits before it
  const Status refused = batcher.Submit(New(3000, "a"));
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(
      refused.message(),
      HasSubstr("others would hold up the simulation for 0.3000 s, allowed 0.1000 s (--max-queue-ms)"));
  EXPECT_EQ(refused.retry_after(), milliseconds(200));
  EXPECT_TRUE(batcher.Submit(New(1, "b")).ok());
  batcher.FailQueued(Unavailable("over"));
}

TEST_F(FairnessTest, ForeseesWhatIsLeftOfTheTurnUnderWay) {
  Submit(New(1000, "a"));  // 0.1 s, in turns of 5 ms
  std::unique_ptr<serving::Run> run = batcher_.Poll();
  ASSERT_NE(run, nullptr);
  Request request = New(1, "b");
  request.deadline = clock_.Now() + microseconds(5'500);
  EXPECT_EQ(batcher_.Submit(std::move(request)).code(), StatusCode::kDeadlineExceeded);
  clock_.Advance(milliseconds(3));
  request = New(1, "b");
  request.deadline = clock_.Now() + microseconds(5'500);
  EXPECT_TRUE(batcher_.Submit(std::move(request)).ok());
  run->Work(context_, {}, batcher_.options().turn);
  batcher_.Return(std::move(run));
}

TEST_F(FairnessTest, WhoIsRefusedForWantOfRoomComesBackAfterThoseBefore) {
  Batcher batcher({.max_queue = 8192}, clock_);
  ASSERT_TRUE(batcher.Submit(New(4096, "a")).ok());  // 0.41 s
  ASSERT_TRUE(batcher.Submit(New(4096, "a")).ok());
  const auto refused = [&] { return batcher.Submit(New(4096, "a")).retry_after(); };
  const milliseconds first = refused();
  EXPECT_NEAR(static_cast<double>(refused().count()), static_cast<double>(first.count()) + 410, 5);
  milliseconds last{0};
  for (int i = 0; i < 100; ++i) {
    last = refused();
  }
  EXPECT_LE(last, first + 16 * milliseconds(820));  // not all come back
  clock_.Advance(last + milliseconds(410));
  EXPECT_EQ(refused(), first);
  batcher.FailQueued(Unavailable("over"));
}

TEST_F(FairnessTest, AFullQueueMakesRoomForWhoHasLess) {
  Batcher batcher({.max_queue = 8192}, clock_);
  ASSERT_TRUE(batcher.Submit(New(4096, "a")).ok());
  RecordingSink& first = sinks_.back();
  clock_.Advance(microseconds(1));
  ASSERT_TRUE(batcher.Submit(New(4096, "a")).ok());
  RecordingSink& second = sinks_.back();
  EXPECT_TRUE(batcher.Submit(New(1, "b")).ok());
  EXPECT_EQ(first.answers(), 0);
  EXPECT_EQ(second.status().code(), StatusCode::kResourceExhausted);
  EXPECT_GT(second.status().retry_after(), milliseconds(0));
  EXPECT_EQ(batcher.queued_samples(), 4097);
  EXPECT_EQ(batcher.Submit(New(8000, "b")).code(), StatusCode::kResourceExhausted);
  batcher.FailQueued(Unavailable("over"));
}

TEST_F(FairnessTest, WhoDoesNotFitDropsNobody) {
  Batcher batcher({.max_queue = 100}, clock_);
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(batcher.Submit(New(1, "x")).ok());
  }
  ASSERT_TRUE(batcher.Submit(New(40, "y")).ok());
  EXPECT_EQ(batcher.Submit(New(50, "z")).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(batcher.queued_samples(), 100);
  for (const RecordingSink& sink : sinks_) {
    EXPECT_EQ(sink.answers(), 0);
  }
  batcher.FailQueued(Unavailable("over"));
}

TEST_F(FairnessTest, ARunWithoutMemoryIsTriedAgainWhenAnotherHasFailedForIt) {
  MemoryBudget none(50);
  RecordingSink& first = Submit(New(1, "a"));
  Request other = New(1, "b");
  ChangeSpec(other, [](SimulationSpec& s) { s.settings.seed = 1; });
  RecordingSink& second = Submit(std::move(other));
  std::unique_ptr<serving::Run> a = batcher_.Poll();
  std::unique_ptr<serving::Run> b = batcher_.Poll();
  const RunContext context{none, clock_, kChunk, {}};
  a->Work(context, {}, batcher_.options().turn);
  b->Work(context, {}, batcher_.options().turn);
  batcher_.Return(std::move(a));  // waits for what b might have
  batcher_.Return(std::move(b));
  EXPECT_EQ(first.answers() + second.answers(), 1);
  a = batcher_.Poll();
  ASSERT_TRUE(a);
  a->Work(context, {}, batcher_.options().turn);
  batcher_.Return(std::move(a));
  EXPECT_EQ(first.answers() + second.answers(), 2);
}

TEST_F(FairnessTest, PriorityOrdersButDoesNotStarve) {
  Request late = New(1, "a");
  late.priority = 3;
  RecordingSink& last = Submit(std::move(late));
  for (int i = 0; i < 1000 && last.answers() == 0; ++i) {
    Request request = New(50, "a");
    request.priority = 1;
    Submit(std::move(request));
    request = New(50, "a");
    request.priority = 1;
    Submit(std::move(request));
    Turn();
    EXPECT_TRUE(i > 0 || last.answers() == 0);
  }
  EXPECT_EQ(last.answers(), 1);
}

TEST_F(FairnessTest, ACancelledRunIsAnsweredBetweenItsTurns) {
  MakeKnown(10'000);
  std::stop_source cancel;
  Request request = New(1, "a", 10'000);
  request.cancelled = cancel.get_token();
  RecordingSink& sink = Submit(std::move(request));
  Turn();
  EXPECT_EQ(script_->simulations, 1);
  cancel.request_stop();
  batcher_.Sweep();
  EXPECT_EQ(sink.status().code(), StatusCode::kCancelled);
  EXPECT_EQ(script_->simulations, 0);
  EXPECT_EQ(budget_.used_bytes(), 0);
  EXPECT_EQ(batcher_.queued_seconds(), 0);
  EXPECT_FALSE(Turn());
}

TEST_F(FairnessTest, WhatHasNoMemoryWaitsForARunThatHas) {
  MakeKnown(10'000);
  MemoryBudget small(150);  // one sample needs 100
  const RunContext context{small, clock_, kChunk, {}};
  RecordingSink& first = Submit(New(1, "a", 10'000));
  RecordingSink& second = Submit(New(1, "b", 10'000));
  int turns = 0;
  while (std::unique_ptr<serving::Run> run = batcher_.Poll()) {
    run->Work(context, {}, batcher_.options().turn);
    batcher_.Return(std::move(run));
    ++turns;
  }
  EXPECT_TRUE(first.status().ok() && second.status().ok());
  EXPECT_EQ(first.answers() + second.answers(), 2);
  EXPECT_GT(turns, 20);
  RecordingSink& never = Submit(New(1, "a", 10'000));
  MemoryBudget none(50);
  std::unique_ptr<serving::Run> run = batcher_.Poll();
  run->Work({none, clock_, kChunk, {}}, {}, batcher_.options().turn);
  batcher_.Return(std::move(run));
  EXPECT_EQ(never.status().code(), StatusCode::kResourceExhausted);
}

TEST_F(FairnessTest, WhatIsOfOneKindSharesARunWhoeverSentIt) {
  for (const char* client : {"a", "b", "c"}) {
    Submit(New(2, client));
  }
  EXPECT_TRUE(Turn());
  EXPECT_FALSE(Turn());
  EXPECT_THAT(script_->batches(), ::testing::ElementsAre(6));
}

}  // namespace
}  // namespace spikeserve::serving
