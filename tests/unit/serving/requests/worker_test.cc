#include "server/serving/requests/worker.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <optional>

#include "tests/support/entries.h"
#include "tests/support/failing_allocations.h"
#include "tests/support/gate.h"
#include "tests/support/requests.h"

namespace spikeserve::serving {
namespace {

using engine::SimulationSpec;
using ::spikeserve::testing::ChangeSpec;
using ::spikeserve::testing::FailingAllocation;
using ::spikeserve::testing::FakeScript;
using ::spikeserve::testing::Gate;
using ::spikeserve::testing::MakeEntry;
using ::spikeserve::testing::MakeRequest;
using ::spikeserve::testing::RecordingSink;

class WorkerTest : public ::testing::Test {
 protected:
  const SteadyClock clock_;
  MemoryBudget budget_{100'000};
  std::shared_ptr<FakeScript> script_ = std::make_shared<FakeScript>();
  NetworkHandle network_{MakeEntry(script_)};
  std::array<RecordingSink, 4> sinks_;
  Batcher batcher_{{}, clock_};
  const RunContext context_{budget_, clock_, 4, {}};
};

TEST_F(WorkerTest, ABatchFillsWhileTheWorkerIsBusy) {
  Gate gate;
  script_->on_advance = [&gate](std::int64_t done) {
    if (done == 0) {
      gate.Pass();
    }
    return Status();
  };
  std::optional<Worker> worker(std::in_place, batcher_, context_);
  ASSERT_TRUE(batcher_.Submit(MakeRequest(network_, {1}, sinks_[0])).ok());
  gate.AwaitArrivals(1);
  for (std::size_t i = 1; i < 4; ++i) {
    ASSERT_TRUE(batcher_.Submit(MakeRequest(network_, {1}, sinks_[i])).ok());
  }
  Gate end;
  end.Open();
  sinks_[3].before_done = [&end] { end.Pass(); };
  gate.Open();
  end.AwaitArrivals(1);
  worker.reset();
  EXPECT_EQ(script_->batches(), (std::vector<std::int64_t>{1, 3}));
  for (const RecordingSink& sink : sinks_) {
    EXPECT_EQ(sink.answers(), 1);
  }
}

// Whichever allocation of a turn fails, and of queueing before and after it: all are answered, once.
TEST_F(WorkerTest, WhereMemoryRunsOutRequestsFailAndNoneIsLeftBehind) {
  Batcher batcher({.max_batch = 2}, clock_);
  int failures = 0;
  bool failed = true;
  for (int which = 0; failed; ++which) {
    std::array<RecordingSink, 3> sinks;
    for (RecordingSink& sink : sinks) {
      ASSERT_TRUE(batcher.Submit(MakeRequest(network_, {1}, sink)).ok());
    }
    failed = false;
    for (int turn = 0; batcher.queued_samples() > 0; ++turn) {
      ASSERT_LT(turn, 100) << "allocation " << which;
      const FailingAllocation failing(turn == 0 ? which : std::numeric_limits<int>::max());
      if (auto run = batcher.Poll()) {
        run->Work(context_, {}, std::chrono::seconds(1));
        batcher.Return(std::move(run));
      }
      failed = turn == 0 ? failing.failed() : failed;
    }
    for (const RecordingSink& sink : sinks) {
      ASSERT_EQ(sink.answers(), 1) << "allocation " << which;
      ASSERT_TRUE(sink.status().ok() || sink.status().code() == StatusCode::kResourceExhausted)
          << sink.status().message();
      failures += sink.status().ok() ? 0 : 1;
    }
  }
  EXPECT_GT(failures, 0);
  EXPECT_EQ(budget_.used_bytes(), 0);
}

TEST_F(WorkerTest, DestructionEndsARunAtItsNextChunk) {
  Gate gate;
  script_->on_advance = [&gate](std::int64_t done) {
    if (done == 0) {
      gate.Pass();
    }
    return Status();
  };
  std::optional<Worker> worker(std::in_place, batcher_, context_);
  Request request = MakeRequest(network_, {1}, sinks_[0]);
  ChangeSpec(request, [](SimulationSpec& s) { s.settings.steps = 1'000'000'000; });
  ASSERT_TRUE(batcher_.Submit(std::move(request)).ok());
  gate.AwaitArrivals(1);
  gate.Open();
  worker.reset();
  batcher_.FailQueued(Unavailable("over"));  // where it was between two turns
  EXPECT_EQ(sinks_[0].answers(), 1);
  EXPECT_EQ(sinks_[0].status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(script_->simulations, 0);
}

}  // namespace
}  // namespace spikeserve::serving
