// Ten times the load that there is time for, on a device that takes about the time that is expected.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "server/serving/requests/batcher.h"
#include "tests/support/entries.h"
#include "tests/support/fake_clock.h"
#include "tests/support/requests.h"

namespace spikeserve::serving {
namespace {

using ::spikeserve::testing::ChangeSpec;
using ::spikeserve::testing::FakeClock;
using ::spikeserve::testing::FakeScript;
using ::spikeserve::testing::MakeEntry;
using ::spikeserve::testing::MakeRequest;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using Duration = Clock::TimePoint::duration;

constexpr microseconds kPerSampleStep{3};

// What became of the calls of a kind.
struct Tally {
  int answered = 0;
  int refused = 0;
  int expired = 0;  // let in, and not answered
};

class OverloadTest : public ::testing::Test {
 protected:
  // A kind of call.
  struct Work {
    std::string client;
    std::size_t samples = 1;
    std::int64_t steps = 1;
    Duration deadline{};
    double Seconds() const {
      return std::chrono::duration<double>(kPerSampleStep).count() * static_cast<double>(samples) *
             static_cast<double>(steps);
    }
  };
  // One call; `done` is told whether it was answered in time.
  struct Call final : ResultSink {
    Call(const Clock& clock, Clock::TimePoint until, std::function<void(bool)> then)
        : clock_(clock), until_(until), then_(std::move(then)) {}
    void OnProgress(engine::Reading) noexcept override {}
    void OnDone(const Status& status, RunOutcome) noexcept override {
      then_(status.ok() && clock_.Now() <= until_);
    }
    const Clock& clock_;
    const Clock::TimePoint until_;
    const std::function<void(bool)> then_;
  };

  void SetUp() override {
    script_->on_advance = [this](std::int64_t) {
      std::uniform_real_distribution<double> vary(0.9, 1.2);
      Pass(std::chrono::duration_cast<Duration>(kPerSampleStep * vary(random_) * samples_ * kChunk));
      return Status();
    };
  }
  // Time goes by, in which calls come.
  void Pass(Duration time) {
    const Clock::TimePoint end = clock_.Now() + time;
    while (!events_.empty() && events_.begin()->first <= end) {
      const auto event = events_.extract(events_.begin());
      clock_.Advance(std::max(event.key() - clock_.Now(), Duration::zero()));
      event.mapped()();
    }
    clock_.Advance(std::max(end - clock_.Now(), Duration::zero()));
  }
  void At(Clock::TimePoint when, std::function<void()> what) { events_.emplace(when, std::move(what)); }

  // Whether it was let in; `then` is called where it was.
  Status Send(const Work& work, Tally& tally, const std::function<void()>& then) {
    const Clock::TimePoint until = clock_.Now() + work.deadline;
    calls_.emplace_back(clock_, until, [&tally, then](bool in_time) {
      ++(in_time ? tally.answered : tally.expired);
      then();
    });
    Request request = MakeRequest(network_, std::vector<float>(work.samples, 1.0F), calls_.back());
    ChangeSpec(request, [&](engine::SimulationSpec& spec) { spec.settings.steps = work.steps; });
    request.client = work.client;
    request.deadline = until;
    Status status = batcher_.Submit(std::move(request));
    tally.refused += status.ok() ? 0 : 1;
    return status;
  }
  // A call every `pause`, whatever becomes of the others.
  void Flood(const Work& work, Tally& tally, Duration pause) {
    static_cast<void>(Send(work, tally, [] {}));
    At(clock_.Now() + pause, [this, work, &tally, pause] { Flood(work, tally, pause); });
  }
  // One call after the other; after a refusal when it is told to come back, later each time.
  void Repeat(const Work& work, Tally& tally, int refused) {
    const auto again = [this, work, &tally] {
      At(clock_.Now() + milliseconds(1), [this, work, &tally] { Repeat(work, tally, 0); });
    };
    const Status status = Send(work, tally, again);
    if (!status.ok()) {
      const int times = 1 << std::min(refused, 3);
      At(clock_.Now() + std::max(status.retry_after() * times, milliseconds(5)),
         [this, work, &tally, refused] { Repeat(work, tally, refused + 1); });
    }
  }
  void WorkUntil(Clock::TimePoint end) {
    while (clock_.Now() < end) {
      std::unique_ptr<serving::Run> run = batcher_.Poll();
      if (!run) {
        Pass(milliseconds(1));
        continue;
      }
      samples_ = 0;
      for (const Request& request : run->requests()) {
        samples_ += request.progress.taken;
      }
      run->Work(context_, {}, batcher_.options().turn);
      batcher_.Return(std::move(run));
    }
  }
  // No call is left, nor will any come: whose call fails may have meant to send another.
  void End() {
    batcher_.FailQueued(Unavailable("over"));
    events_.clear();
  }
  // What was done for answers, of what there was time for.
  static double Kept(const Work& work, const Tally& tally, Duration time) {
    return work.Seconds() * tally.answered / std::chrono::duration<double>(time).count();
  }

  static constexpr std::int64_t kChunk = 2;
  FakeClock clock_;
  MemoryBudget budget_{std::int64_t{1} << 34};
  std::shared_ptr<FakeScript> script_ = std::make_shared<FakeScript>();
  NetworkHandle network_{MakeEntry(script_)};
  std::mt19937 random_{1};
  std::int64_t samples_ = 0;  // of the run under way
  std::multimap<Clock::TimePoint, std::function<void()>> events_;
  std::deque<Call> calls_;
  Batcher batcher_{{.max_batch = 64, .max_queue = 8192}, clock_};
  const RunContext context_{budget_, clock_, kChunk, {}};
};

TEST_F(OverloadTest, WhoIsLetInIsAnsweredAndNearlyAllTimeGoesIntoAnswers) {
  const Work large{"large", 4096, 8, std::chrono::seconds(60)};
  for (const std::int64_t steps : {1'000, 10'000}) {
    const Work single{"single", 1, steps, 3 * kPerSampleStep * steps};
    Tally singles;
    Tally larges;
    for (int caller = 0; caller < 20; ++caller) {
      Repeat(large, larges, 0);
    }
    Flood(single, singles, kPerSampleStep * steps / 5);  // ten times its half
    WorkUntil(clock_.Now() + std::chrono::seconds(5));   // it knows what runs take by now
    singles = {};
    larges = {};
    constexpr std::chrono::seconds kTime{20};
    WorkUntil(clock_.Now() + kTime);
    const double kept_single = Kept(single, singles, kTime);
    const double kept = kept_single + Kept(large, larges, kTime);
    EXPECT_LE(singles.expired, 0.05 * (singles.answered + singles.expired)) << steps;
    EXPECT_GE(kept_single, 0.3) << steps;  // of its half
    EXPECT_GE(kept, 0.9) << steps;         // of a device that takes 1.05 times as long as it is said to
    End();
  }
}

// Calls that share a run wait for one another, which says nothing of those who come later and have less time.
TEST_F(OverloadTest, WhatPatientOnesHaveWaitedKeepsNobodyOutForLong) {
  const Work large{"large", 4096, 8, std::chrono::seconds(60)};
  for (const std::int64_t steps : {1'000, 10'000}) {
    const Work patient{"single", 1, steps, std::chrono::seconds(60)};
    Tally ignored;
    for (int caller = 0; caller < 4; ++caller) {
      Repeat(patient, ignored, 0);
    }
    Repeat(large, ignored, 0);
    Repeat(large, ignored, 0);
    WorkUntil(clock_.Now() + std::chrono::seconds(10));
    End();
    Tally singles;
    Tally larges;
    for (int caller = 0; caller < 20; ++caller) {
      Repeat(large, larges, 0);
    }
    const Work single{"single", 1, steps, 3 * kPerSampleStep * steps};
    Flood(single, singles, kPerSampleStep * steps / 5);
    constexpr std::chrono::seconds kTime{12};
    WorkUntil(clock_.Now() + kTime);
    const double kept_single = Kept(single, singles, kTime);
    EXPECT_LE(singles.expired, 0.05 * (singles.answered + singles.expired)) << steps;
    EXPECT_GE(kept_single, 0.35) << steps;  // of its half
    EXPECT_GE(kept_single + Kept(large, larges, kTime), 0.9) << steps;
    End();
  }
}

}  // namespace
}  // namespace spikeserve::serving
