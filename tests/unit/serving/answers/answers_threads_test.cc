// Equal requests on threads of their own, with real workers and a clock that goes on.

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "server/serving/answers/answers.h"
#include "server/serving/requests/worker.h"
#include "tests/support/entries.h"
#include "tests/support/eventually.h"
#include "tests/support/requests.h"

namespace spikeserve::serving {
namespace {

using ::spikeserve::testing::Eventually;
using ::spikeserve::testing::FakeScript;
using ::spikeserve::testing::MakeEntry;
using ::spikeserve::testing::MakeRequest;
using ::spikeserve::testing::RecordingSink;

// Deadlines, cancels, runs that are refused and runs that go well, all at the same time.
TEST(Answers, EverybodyIsAnsweredOnceAndRightly) {
  const SteadyClock clock;
  MemoryBudget budget(10'000'000);
  const auto script = std::make_shared<FakeScript>();
  std::atomic<int> advances = 0;
  script->on_advance = [&](std::int64_t) {
    return ++advances % 7 == 0 ? ResourceExhausted("full") : Status();
  };
  const NetworkHandle network{MakeEntry(script)};
  constexpr int kThreads = 4;
  constexpr int kRequests = 300;
  struct Caller {
    RecordingSink sink;
    std::stop_source stop;
    Tenant::Permit permit;
    bool taken = false;
  };
  std::vector<Caller> callers(kThreads * kRequests);
  Batcher batcher({}, clock);
  {
    Answers answers(5'000, batcher, clock, [](const AnswerOrigin&) { return true; });
    std::optional<Worker> worker(std::in_place, batcher, RunContext{budget, clock, 4, {}});
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < kRequests; ++i) {
          Caller& caller = callers[static_cast<std::size_t>(thread * kRequests + i)];
          const int value = (i / 4) % 11;
          Request request = MakeRequest(network, {static_cast<float>(value)}, caller.sink);
          request.cancelled = caller.stop.get_token();
          if (i % 5 == 0) {
            request.deadline = clock.Now() + std::chrono::microseconds(100);
          }
          caller.taken = answers.Submit(std::to_string(value), std::move(request), caller.permit).ok();
          if (i % 6 == 0) {
            caller.stop.request_stop();
            answers.Sweep();
          }
        }
      });
    }
    threads.clear();
    for (Caller& caller : callers) {
      EXPECT_TRUE(Eventually([&] { return !caller.taken || caller.sink.answers() == 1; }));
    }
    batcher.Close();
    worker.reset();
  }
  int good = 0;
  for (std::size_t i = 0; i < callers.size(); ++i) {
    const Caller& caller = callers[i];
    EXPECT_EQ(caller.sink.answers(), caller.taken ? 1 : 0);
    if (caller.taken && caller.sink.status().ok()) {
      ++good;
      const auto value = static_cast<double>((i % kRequests / 4) % 11);
      EXPECT_EQ(caller.sink.outcome().reading->probes[0].values[0], value);
    }
  }
  EXPECT_GT(good, 100);
  EXPECT_EQ(budget.used_bytes(), 0);
}

TEST(Answers, ADeadlinePassesWithoutAnybodyWhoLooks) {
  const SteadyClock clock;
  const auto script = std::make_shared<FakeScript>();
  const NetworkHandle network{MakeEntry(script)};
  RecordingSink sink;
  Tenant::Permit permit;
  Batcher batcher({}, clock);
  Answers answers(1 << 20, batcher, clock, [](const AnswerOrigin&) { return true; });
  Request request = MakeRequest(network, {1}, sink);
  request.deadline = clock.Now() + std::chrono::milliseconds(30);
  ASSERT_TRUE(answers.Submit("key", std::move(request), permit).ok());
  EXPECT_TRUE(Eventually([&] { return sink.answers() == 1; }));
  EXPECT_EQ(sink.status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(batcher.queued_samples(), 0);
}

}  // namespace
}  // namespace spikeserve::serving
