#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <thread>
#include <vector>

#include "server/serving/requests/batcher.h"
#include "server/serving/requests/worker.h"
#include "tests/support/entries.h"
#include "tests/support/eventually.h"
#include "tests/support/failing_allocations.h"
#include "tests/support/fake_clock.h"
#include "tests/support/requests.h"

namespace spikeserve::serving {
namespace {

using ::spikeserve::testing::FailingAllocation;
using ::spikeserve::testing::FakeClock;
using ::spikeserve::testing::FakeScript;
using ::spikeserve::testing::MakeEntry;
using ::spikeserve::testing::MakeRequest;
using ::spikeserve::testing::RecordingSink;
using ::spikeserve::testing::SmallSpec;

class ShortRunsTest : public ::testing::Test {
 protected:
  static constexpr double kShort = 20e-6;

  ShortRunsTest() { batcher_.RunShortOnes({budget_, clock_, 4, {}}, 2); }

  // A run of one sample took so long.
  void Learn(double seconds) {
    const Request request = New(0);
    for (int i = 0; i < 100; ++i) {
      network_->costs->Learn(*request.spec, 1, 10, seconds, seconds);
    }
  }
  Request New(std::size_t sink, std::size_t samples = 1) {
    Request request = MakeRequest(network_, std::vector<float>(samples, 1.0F), sinks_[sink]);
    request.may_run_at_once = true;
    return request;
  }
  // What waits is simulated and answered.
  void WorkOffQueue() {
    while (auto run = batcher_.Poll()) {
      run->Work({budget_, clock_, 4, {}}, {}, std::chrono::seconds(1));
      batcher_.Return(std::move(run));
    }
  }

  FakeClock clock_;
  MemoryBudget budget_{1000};
  std::shared_ptr<FakeScript> script_ = std::make_shared<FakeScript>();
  NetworkHandle network_{MakeEntry(script_)};
  std::array<RecordingSink, 4> sinks_;
  Batcher batcher_{{}, clock_};
};

TEST_F(ShortRunsTest, AShortRequestIsAnsweredByWhoBringsIt) {
  Learn(kShort);
  std::thread::id thread;
  script_->on_advance = [&](std::int64_t) {
    thread = std::this_thread::get_id();
    return Status();
  };
  ASSERT_TRUE(batcher_.Submit(New(0)).ok());
  EXPECT_EQ(thread, std::this_thread::get_id());
  EXPECT_EQ(sinks_[0].answers(), 1);
  EXPECT_TRUE(sinks_[0].status().ok());
  EXPECT_EQ(sinks_[0].outcome().batch_size, 1);
  EXPECT_EQ(batcher_.queued_samples(), 0);
  EXPECT_EQ(budget_.used_bytes(), 0);
}

TEST_F(ShortRunsTest, WhatIsNotKnownToBeShortWaitsForAWorker) {
  ASSERT_TRUE(batcher_.Submit(New(0)).ok());
  EXPECT_EQ(batcher_.queued_samples(), 1);
  WorkOffQueue();
  Learn(1e-3);
  ASSERT_TRUE(batcher_.Submit(New(1)).ok());
  EXPECT_EQ(batcher_.queued_samples(), 1);
}

TEST_F(ShortRunsTest, WhoseSinkMayNotBeCalledAtOnceWaitsForAWorker) {
  Learn(kShort);
  Request request = New(0);
  request.may_run_at_once = false;
  ASSERT_TRUE(batcher_.Submit(std::move(request)).ok());
  EXPECT_EQ(batcher_.queued_samples(), 1);
}

TEST_F(ShortRunsTest, ManySamplesThatAreNotShortTogetherWaitForAWorker) {
  Learn(kShort);
  ASSERT_TRUE(batcher_.Submit(New(0, 5)).ok());
  EXPECT_EQ(sinks_[0].answers(), 1);
  ASSERT_TRUE(batcher_.Submit(New(1, 50)).ok());
  EXPECT_EQ(batcher_.queued_samples(), 50);
}

TEST_F(ShortRunsTest, WhereOthersWaitAShortRequestWaitsWithThem) {
  ASSERT_TRUE(batcher_.Submit(New(0)).ok());
  Learn(kShort);
  ASSERT_TRUE(batcher_.Submit(New(1)).ok());
  EXPECT_EQ(batcher_.queued_samples(), 2);
  WorkOffQueue();
  EXPECT_EQ(sinks_[1].outcome().batch_size, 2);
}

TEST_F(ShortRunsTest, NoMoreRunAtOnceThanThereArePlaces) {
  Learn(kShort);
  std::size_t sink = 0;
  script_->on_advance = [&](std::int64_t) {  // brings another meanwhile
    return sink == 2 ? Status() : batcher_.Submit(New(++sink));
  };
  ASSERT_TRUE(batcher_.Submit(New(0)).ok());
  EXPECT_EQ(sinks_[0].answers(), 1);
  EXPECT_EQ(sinks_[1].answers(), 1);
  EXPECT_EQ(sinks_[2].answers(), 0);
  EXPECT_EQ(batcher_.queued_samples(), 1);
  script_->on_advance = {};
  WorkOffQueue();
  ASSERT_TRUE(batcher_.Submit(New(3)).ok());
  EXPECT_EQ(sinks_[3].answers(), 1);
}

TEST_F(ShortRunsTest, WhereThereIsNoMemoryItWaitsForAWorker) {
  Learn(kShort);
  auto all = budget_.Reserve(1000, "all");
  ASSERT_TRUE(all.ok());
  ASSERT_TRUE(batcher_.Submit(New(0)).ok());
  EXPECT_EQ(sinks_[0].answers(), 0);
  EXPECT_EQ(batcher_.queued_samples(), 1);
  all.value().ShrinkTo(0);
  WorkOffQueue();
  EXPECT_EQ(sinks_[0].answers(), 1);
  EXPECT_TRUE(sinks_[0].status().ok());
}

TEST_F(ShortRunsTest, OfARequestThatHasMemoryForAPartTheRestWaits) {
  Learn(kShort);
  auto most = budget_.Reserve(800, "most");  // leaves room for two samples
  ASSERT_TRUE(most.ok());
  ASSERT_TRUE(batcher_.Submit(New(0, 4)).ok());
  EXPECT_EQ(sinks_[0].answers(), 0);
  EXPECT_EQ(batcher_.queued_samples(), 2);
  WorkOffQueue();
  EXPECT_EQ(sinks_[0].answers(), 1);
  EXPECT_TRUE(sinks_[0].status().ok());
  ASSERT_TRUE(sinks_[0].outcome().reading);
  EXPECT_EQ(sinks_[0].outcome().reading->spikes.size(), 4U);
}

TEST_F(ShortRunsTest, WhatHasNoTimeIsRefused) {
  Learn(kShort);
  Request request = New(0);
  request.deadline = clock_.Now() + std::chrono::microseconds(5);
  EXPECT_EQ(batcher_.Submit(std::move(request)).code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(sinks_[0].answers(), 0);
}

TEST_F(ShortRunsTest, AClosedBatcherTakesNone) {
  Learn(kShort);
  batcher_.Close();
  EXPECT_EQ(batcher_.Submit(New(0)).code(), StatusCode::kUnavailable);
  EXPECT_EQ(sinks_[0].answers(), 0);
}

// Whichever allocation fails: it is refused or answered, once, and its place is free for the next.
TEST_F(ShortRunsTest, WhereMemoryRunsOutARequestFailsAndItsPlaceIsFree) {
  bool failed = true;
  for (int which = 0; failed; ++which) {
    RecordingSink sink;
    Request request = MakeRequest(network_, {1.0F}, sink);
    request.may_run_at_once = true;
    Learn(kShort);
    Status status;
    {
      const FailingAllocation failing(which);
      status = batcher_.Submit(std::move(request));
      failed = failing.failed();
    }
    WorkOffQueue();
    ASSERT_EQ(sink.answers(), status.ok() ? 1 : 0) << "allocation " << which;
    ASSERT_EQ(batcher_.queued_samples(), 0);
    ASSERT_EQ(budget_.used_bytes(), 0);
  }
  EXPECT_EQ(sinks_[0].answers(), 0);
  Learn(kShort);
  ASSERT_TRUE(batcher_.Submit(New(0)).ok());
  EXPECT_EQ(sinks_[0].answers(), 1);
}

// Threads that bring requests beside a worker that takes what finds no place.
TEST_F(ShortRunsTest, AllAreAnsweredOnceByManyThreads) {
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kRequests = 100;
  Learn(kShort);
  const SteadyClock clock;
  const RunContext context{budget_, clock, 4, {}};
  Batcher batcher({}, clock);
  batcher.RunShortOnes(context, 2);
  std::deque<RecordingSink> sinks(kThreads * kRequests);
  {
    const Worker worker(batcher, context);
    std::vector<std::jthread> callers;
    for (std::size_t first = 0; first < sinks.size(); first += kRequests) {
      callers.emplace_back([&, first] {
        for (std::size_t i = first; i < first + kRequests; ++i) {
          Request request = MakeRequest(network_, {1.0F}, sinks[i]);
          request.may_run_at_once = true;
          EXPECT_TRUE(batcher.Submit(std::move(request)).ok());
        }
      });
    }
    callers.clear();
    batcher.Close();
    EXPECT_TRUE(::spikeserve::testing::Eventually([&] { return worker.done(); }));
  }
  for (const RecordingSink& sink : sinks) {
    ASSERT_EQ(sink.answers(), 1);
    ASSERT_TRUE(sink.status().ok()) << sink.status().message();
  }
  EXPECT_EQ(budget_.used_bytes(), 0);
}

}  // namespace
}  // namespace spikeserve::serving
