#include "server/serving/residency/residency.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <new>
#include <random>
#include <thread>

#include "server/serving/networks/aliases.h"
#include "server/serving/sha256.h"
#include "tests/support/definitions.h"
#include "tests/support/failing_allocations.h"
#include "tests/support/fake_backend.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temporary_folder.h"

namespace spikeserve::serving {
namespace {

using ::spikeserve::testing::FailingAllocation;
using ::spikeserve::testing::FakeBackend;
using ::spikeserve::testing::FakeClock;
using ::spikeserve::testing::FakeScript;
using ::spikeserve::testing::SmallMlp;
using ::spikeserve::testing::TemporaryFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::int64_t kNetworkBytes = 1'000'000;
// For three networks, what all of them are shown by, and what passes.
constexpr std::int64_t kBudget = 3 * kNetworkBytes + kNetworkBytes / 2;

// A fake one that fails, as if memory had run out, wherever a thread of the server asks it.
class FailingClock final : public Clock {
 public:
  TimePoint Now() const override {
    if (fails_ && std::this_thread::get_id() != test_) {
      ++failed_;
      throw std::bad_alloc();
    }
    return fake_.Now();
  }
  void Advance(std::chrono::nanoseconds by) { fake_.Advance(by); }
  void Fail(bool fails) { fails_ = fails; }
  int failed() const { return failed_; }

 private:
  FakeClock fake_;
  const std::thread::id test_ = std::this_thread::get_id();
  std::atomic<bool> fails_ = false;
  mutable std::atomic<int> failed_ = 0;
};

class ResidencyTest : public ::testing::Test {
 protected:
  ResidencyTest() { script_->network_bytes = kNetworkBytes; }
  ~ResidencyTest() override { Stop(); }

  // One more of the name, stored and not resident, with these sizes.
  void Store(const std::string& name, std::int64_t network_bytes, std::int64_t parsed_bytes) {
    ASSERT_TRUE(repository_.Write(name, 1, engine::Mode::kExact, name, Sha256(name), "").ok());
    script_->network_bytes = network_bytes;
    parsed_bytes_ = parsed_bytes;
    ASSERT_TRUE(loader_.LoadStored({name, 1}).ok());
  }
  // A server that finds this many networks stored, n0 and so on, and fills its memory.
  void Start(int networks, std::vector<Pin> pins = {}, std::int64_t cache_bytes = 0) {
    cache_ = std::move(budget_.Reserve(cache_bytes, "the cache")).value();
    for (int i = 0; i < networks; ++i) {
      const std::string bytes = "network " + std::to_string(i);
      ASSERT_TRUE(repository_.Write(Name(i), 1, engine::Mode::kExact, bytes, Sha256(bytes), "").ok());
    }
    residency_.emplace(ResidencyContext{registry_, loader_, budget_, tasks_, aliases_, clock_,
                                        [this](const ResidencyNews& news) {
                                          if (tell_fails_) {
                                            throw std::bad_alloc();
                                          }
                                          loads_ += news.kind == ResidencyNews::Kind::kLoaded ? 1 : 0;
                                          evictions_ += news.kind == ResidencyNews::Kind::kEvicted ? 1 : 0;
                                        }},
                       ResidencyOptions{true, std::move(pins), std::chrono::seconds(30), cache_bytes});
    for (const StoredVersion& stored : repository_.List()) {
      ASSERT_TRUE(loader_.LoadStored(stored).ok());
    }
    EXPECT_TRUE(residency_->Fill().empty());
  }
  void Stop() {
    if (residency_) {
      residency_->Stop();
    }
  }
  static std::string Name(int i) { return "n" + std::to_string(i); }

  std::future<Result<NetworkHandle>> Ask(const std::string& name, Residency::Wait wait = {}) {
    auto promise = std::make_shared<std::promise<Result<NetworkHandle>>>();
    auto found = residency_->Find(name, 0, std::move(wait),
                                  [promise](Result<NetworkHandle> result) { promise->set_value(result); });
    if (found) {
      promise->set_value(std::move(*found));
    }
    return promise->get_future();
  }
  NetworkHandle Get(const std::string& name) {
    auto found = Ask(name).get();
    EXPECT_TRUE(found.ok()) << found.status().message();
    return found.ok() ? found.value() : nullptr;
  }
  // Asks for the first networks in turn until one of them takes no request: which, and who waits for it.
  std::pair<std::size_t, std::future<Result<NetworkHandle>>> AskUntilOneYields(std::size_t networks) {
    for (std::size_t i = 0;; i = (i + 1) % networks) {
      auto asked = Ask(Name(static_cast<int>(i)));
      if (asked.wait_for(std::chrono::milliseconds(5)) == std::future_status::timeout) {
        return {i, std::move(asked)};
      }
    }
  }
  bool IsResident(const std::string& name) {
    return registry_.Find(name, 0).value().state == NetworkState::kReady;
  }

  TemporaryFolder folder_;
  NetworkRepository repository_ = NetworkRepository::Open(folder_.path()).value();
  MemoryBudget budget_{kBudget};
  MemoryBudget::Reservation cache_;
  std::shared_ptr<FakeScript> script_ = std::make_shared<FakeScript>();
  FakeBackend backend_{script_};
  FailingClock clock_;
  std::atomic<bool> tell_fails_ = false;
  std::atomic<int> loads_ = 0;
  std::atomic<int> evictions_ = 0;
  NetworkRegistry registry_;
  Aliases aliases_{registry_, &repository_};
  std::int64_t parsed_bytes_ = 0;
  NetworkLoader loader_{{registry_,
                         budget_,
                         backend_,
                         &repository_,
                         [this](std::string_view) -> Result<ParsedNetwork> {
                           auto bytes = budget_.Reserve(parsed_bytes_, "the definition");
                           if (!bytes.ok()) {
                             return bytes.status();
                           }
                           return ParsedNetwork{SmallMlp(), {}, {}, std::move(bytes).value()};
                         },
                         {},
                         1000,
                         &aliases_,
                         true}};
  std::optional<Residency> residency_;
  TaskThread tasks_;
};

TEST_F(ResidencyTest, AtTheStartMemoryIsFilledAndTheRestIsStored) {
  Start(5);
  EXPECT_TRUE(IsResident("n0") && IsResident("n1") && IsResident("n2"));
  EXPECT_EQ(registry_.Find("n3", 0).value().state, NetworkState::kStored);
  EXPECT_EQ(registry_.Show("n3", 0).value()->network->neurons(),
            registry_.Show("n0", 0).value()->network->neurons());
  EXPECT_EQ(registry_.Get("n3", 0).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(evictions_, 0);
}

TEST_F(ResidencyTest, AStoredNetworkComesInPlaceOfTheLeastRecentlyUsed) {
  Start(5);
  Get("n0");  // so that n1 is the oldest
  EXPECT_EQ(Get("n4")->name, "n4");
  EXPECT_FALSE(IsResident("n1"));
  EXPECT_TRUE(IsResident("n0") && IsResident("n2") && IsResident("n4"));
  EXPECT_EQ(evictions_, 1);
  EXPECT_LE(budget_.used_bytes(), kBudget);
}

TEST_F(ResidencyTest, WhatIsPinnedIsLoadedFirstAndStays) {
  Start(6, {{"n5", 0}, {"n4", 1}});
  EXPECT_TRUE(IsResident("n5") && IsResident("n4") && IsResident("n0"));
  for (const char* name : {"n1", "n2", "n3", "n0", "n1"}) {
    Get(name);
  }
  EXPECT_TRUE(IsResident("n5") && IsResident("n4"));
}

TEST_F(ResidencyTest, ManyWhoAskGetOneLoad) {
  Start(4);
  std::promise<void> go;
  script_->on_load = [gone = go.get_future().share()] {
    gone.wait();
    return Status();
  };
  const int before = loads_;
  std::vector<std::future<Result<NetworkHandle>>> all;
  for (int i = 0; i < 20; ++i) {
    all.push_back(Ask("n3"));
  }
  go.set_value();
  const NetworkEntry* entry = nullptr;
  for (auto& one : all) {
    const auto found = one.get();
    ASSERT_TRUE(found.ok()) << found.status().message();
    EXPECT_TRUE(entry == nullptr || entry == found.value().get());
    entry = found.value().get();
  }
  EXPECT_EQ(loads_, before + 1);
}

TEST_F(ResidencyTest, OneInUseIsNeverLetGoOfAndWhoAsksWaitsForIt) {
  Start(4);
  NetworkHandle first = Get("n0");
  const NetworkHandle second = Get("n1");
  const NetworkHandle third = Get("n2");
  auto waiting = Ask("n3");
  EXPECT_EQ(waiting.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
  EXPECT_TRUE(IsResident("n0") && IsResident("n1") && IsResident("n2"));
  first.reset();
  EXPECT_EQ(waiting.get().value()->name, "n3");
  EXPECT_FALSE(IsResident("n0"));
  EXPECT_TRUE(IsResident("n1") && IsResident("n2"));
}

TEST_F(ResidencyTest, WhoWaitsTooLongHearsWhoHoldsTheMemory) {
  Start(4, {{"n0", 0}});
  const NetworkHandle first = Get("n1");
  const NetworkHandle second = Get("n2");
  auto waiting = Ask("n3");
  EXPECT_EQ(waiting.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  clock_.Advance(std::chrono::seconds(31));
  const Status status = waiting.get().status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("network \"n3\" version 1 is not resident, and there is no room"),
                    HasSubstr("bytes are needed"), HasSubstr("(--memory-budget-mb)"),
                    HasSubstr("pinned hold"), HasSubstr("in use")));
}

TEST_F(ResidencyTest, DeadlineAndCancellationEndTheWait) {
  Start(4);
  const std::vector<NetworkHandle> held = {Get("n0"), Get("n1"), Get("n2")};
  auto late = Ask("n3", {clock_.Now() + std::chrono::seconds(1), {}});
  std::stop_source stop;
  auto cancelled = Ask("n3", {Clock::TimePoint::max(), stop.get_token()});
  stop.request_stop();
  EXPECT_EQ(cancelled.get().status().code(), StatusCode::kCancelled);
  clock_.Advance(std::chrono::seconds(2));
  EXPECT_EQ(late.get().status().code(), StatusCode::kDeadlineExceeded);
}

TEST_F(ResidencyTest, NetworksThatAreAlwaysInUseTakeTurnsWithOneThatWaits) {
  Start(4);
  std::vector<NetworkHandle> held = {Get("n0"), Get("n1"), Get("n2")};
  auto waiting = Ask("n3");
  EXPECT_EQ(waiting.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  clock_.Advance(std::chrono::milliseconds(1'500));
  auto [yielding, next] = AskUntilOneYields(3);
  held[yielding].reset();
  EXPECT_EQ(waiting.get().value()->name, "n3");
  EXPECT_FALSE(IsResident(Name(static_cast<int>(yielding))));
  held.clear();
  EXPECT_EQ(next.get().value()->name, Name(static_cast<int>(yielding)));
}

TEST_F(ResidencyTest, NetworksThatCannotMakeRoomTakeRequestsAgain) {
  Start(4);
  const std::vector<NetworkHandle> held = {Get("n0"), Get("n1"), Get("n2")};
  auto waiting = Ask("n3");
  EXPECT_EQ(waiting.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  clock_.Advance(std::chrono::milliseconds(1'500));
  auto [yielding, next] = AskUntilOneYields(3);
  const int before = loads_;
  std::promise<void> go;
  tasks_.Post([&go] { go.get_future().wait(); });  // it does not take the thread of the loads
  clock_.Advance(std::chrono::milliseconds(2'000));
  EXPECT_EQ(next.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  go.set_value();
  EXPECT_EQ(next.get().value()->name, Name(static_cast<int>(yielding)));
  EXPECT_EQ(loads_, before) << "a cold start without a load";
}

TEST_F(ResidencyTest, WhatCannotFitBesideThePinnedIsRefusedAtOnce) {
  Start(4, {{"n0", 0}, {"n1", 0}, {"n2", 0}});
  const Status status = Ask("n3").get().status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("there will be no room"));
}

TEST_F(ResidencyTest, WhatCannotFitBesideTheResponseCacheIsRefusedAtOnceAndEvictsNobody) {
  Start(2, {}, kNetworkBytes);
  Store("large", 3 * kNetworkBytes, 0);
  const Status status = Ask("large").get().status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("network \"large\" version 1"), HasSubstr("there will be no room"),
                    HasSubstr("the response cache 1000000")));
  EXPECT_TRUE(IsResident("n0") && IsResident("n1"));
}

TEST_F(ResidencyTest, WhatCannotFitWhileItIsParsedIsRefusedAtOnceAndEvictsNobody) {
  Start(2);
  Store("large", kNetworkBytes, 3 * kNetworkBytes);
  parsed_bytes_ = 0;
  Get("n0");
  Get("n1");
  const int before = evictions_;
  parsed_bytes_ = 3 * kNetworkBytes;
  const Status status = Ask("large").get().status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("there will be no room"));
  EXPECT_TRUE(IsResident("n0") && IsResident("n1"));
  EXPECT_EQ(evictions_, before);
}

TEST_F(ResidencyTest, WhatCannotFitWhileItWarmsUpIsRefusedOnceThatIsKnown) {
  Start(2);
  Store("large", kNetworkBytes, 0);
  script_->run_bytes_per_sample = 3 * kNetworkBytes;
  EXPECT_THAT(Ask("large").get().status().message(), HasSubstr("there will be no room"));
  script_->run_bytes_per_sample = 100;
  Get("n0");
  Get("n1");
  const int before = evictions_;
  EXPECT_THAT(Ask("large").get().status().message(), HasSubstr("there will be no room"));
  EXPECT_EQ(evictions_, before);
}

TEST_F(ResidencyTest, WhoseBytesWouldLeaveTooLittleForALoadIsAnsweredAtOnce) {
  Start(5);
  std::promise<void> go;
  tasks_.Post([&go] { go.get_future().wait(); });  // so that no load begins
  const auto ask = [this](const std::string& name, std::int64_t bytes) {
    return Ask(name, {Clock::TimePoint::max(), {}, bytes});
  };
  auto first = ask("n3", kNetworkBytes);
  auto second = ask("n3", kNetworkBytes);
  const Status same = ask("n3", kNetworkBytes).get().status();
  const Status other = ask("n4", kNetworkBytes).get().status();
  auto small = ask("n4", 1000);
  go.set_value();
  for (const Status& refused : {same, other}) {
    EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
    EXPECT_THAT(refused.message(), AllOf(HasSubstr("there will be no room"),
                                         HasSubstr("requests that wait for a load 3000000 of 3500000")));
  }
  for (auto* answered : {&first, &second, &small}) {
    EXPECT_TRUE(answered->get().ok());
  }
  EXPECT_TRUE(ask("n0", 2 * kNetworkBytes).get().ok()) << "those before hold nothing any more";
}

TEST_F(ResidencyTest, WhoDoesNotWaitAnyLongerMakesRoomForWhoComes) {
  Start(4);
  std::promise<void> go;
  tasks_.Post([&go] { go.get_future().wait(); });
  std::stop_source stop;
  auto first = Ask("n3", {Clock::TimePoint::max(), stop.get_token(), 2 * kNetworkBytes});
  EXPECT_FALSE(Ask("n3", {Clock::TimePoint::max(), {}, kNetworkBytes}).get().ok());
  stop.request_stop();
  EXPECT_EQ(first.get().status().code(), StatusCode::kCancelled);
  auto second = Ask("n3", {Clock::TimePoint::max(), {}, kNetworkBytes});
  go.set_value();
  EXPECT_TRUE(second.get().ok());
}

TEST_F(ResidencyTest, WhatFailsToLoadIsStoredStillAndSaysWhy) {
  Start(4);
  script_->on_advance = [](std::int64_t) { return Internal("warm-up failed"); };
  EXPECT_EQ(Ask("n3").get().status().message(), "warm-up failed");
  EXPECT_EQ(registry_.Find("n3", 0).value().state, NetworkState::kStored);
  script_->on_advance = nullptr;
  EXPECT_EQ(Get("n3")->name, "n3");
}

TEST_F(ResidencyTest, ARunThatNeedsMemoryGoesBeforeNetworksThatNobodyUses) {
  Start(3);
  const NetworkHandle held = Get("n2");
  const auto reservation = budget_.Reserve(2 * kNetworkBytes, "a run");
  EXPECT_TRUE(reservation.ok()) << reservation.status().message();
  EXPECT_FALSE(IsResident("n0") || IsResident("n1"));
  const Status refused = budget_.Reserve(2 * kNetworkBytes, "another").status();
  EXPECT_THAT(refused.message(), AllOf(HasSubstr("another: needs"), HasSubstr("in use")));
}

TEST_F(ResidencyTest, CountsOfANetworkOutliveItsStayInMemory) {
  Start(4);
  Get("n0")->statistics->CountSuccess(7, 1, 1, 1);
  for (const char* name : {"n3", "n1", "n2"}) {
    Get(name);
  }
  ASSERT_FALSE(IsResident("n0"));
  EXPECT_EQ(registry_.Show("n0", 0).value()->statistics->Read().samples, 7);
  EXPECT_EQ(Get("n0")->statistics->Read().samples, 7);
}

TEST_F(ResidencyTest, AStoredNetworkIsUnloadedLikeAnyOther) {
  Start(4);
  std::promise<Result<std::vector<std::int64_t>>> done;
  loader_.Unload("n3", 0, [&done](Result<std::vector<std::int64_t>> result) { done.set_value(result); });
  EXPECT_THAT(done.get_future().get().value(), ::testing::ElementsAre(1));
  EXPECT_EQ(Ask("n3").get().status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(repository_.Has("n3", 1));
}

TEST_F(ResidencyTest, AStopAnswersWhoWaits) {
  Start(4);
  const std::vector<NetworkHandle> held = {Get("n0"), Get("n1"), Get("n2")};
  auto waiting = Ask("n3");
  Stop();
  EXPECT_EQ(waiting.get().status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(Ask("n3").get().status().code(), StatusCode::kUnavailable);
}

TEST_F(ResidencyTest, WhoHasNoMemoryToWaitIsAnsweredAndIsNotAmongThoseWhoWait) {
  Start(4);
  std::promise<void> go;
  tasks_.Post([&go] { go.get_future().wait(); });
  const std::string name = "n3";
  bool failed = true;
  for (int which = 0; failed; ++which) {
    const auto calls = std::make_shared<std::atomic<int>>(0);
    Residency::Found found = [calls](const Result<NetworkHandle>&) { ++*calls; };
    std::optional<Result<NetworkHandle>> answer;
    {
      const FailingAllocation failing(which);
      answer = residency_->Find(name, 0, {}, std::move(found));
      failed = failing.failed();
    }
    ASSERT_EQ(answer.has_value(), failed) << "allocation " << which;
    ASSERT_EQ(failed ? answer->status().code() : StatusCode::kOk,
              failed ? StatusCode::kResourceExhausted : StatusCode::kOk);
    found = nullptr;
    ASSERT_EQ(calls.use_count(), failed ? 1 : 2) << "allocation " << which;
    ASSERT_EQ(*calls, 0);
  }
  go.set_value();
  EXPECT_EQ(Get("n3")->name, "n3");
}

TEST_F(ResidencyTest, WhoWaitsIsAnsweredWhereTheThreadThatLooksRunsOutOfMemory) {
  Start(4);
  const std::vector<NetworkHandle> held = {Get("n0"), Get("n1"), Get("n2")};
  auto waiting = Ask("n3");
  clock_.Fail(true);
  EXPECT_EQ(waiting.get().status().code(), StatusCode::kResourceExhausted);
  EXPECT_GE(clock_.failed(), 1);
  clock_.Fail(false);
  std::stop_source stop;
  auto next = Ask("n3", {Clock::TimePoint::max(), stop.get_token()});
  stop.request_stop();
  EXPECT_EQ(next.get().status().code(), StatusCode::kCancelled) << "it does not look any more";
}

TEST_F(ResidencyTest, WhoWaitsIsAnsweredWhereThereIsNoMemoryToTellOfTheLoad) {
  Start(3);
  Store("n3", kNetworkBytes / 4, 0);
  tell_fails_ = true;
  EXPECT_EQ(Get("n3")->name, "n3");
  tell_fails_ = false;
}

TEST_F(ResidencyTest, ManyThreadsGetWhatTheyAskForWithinTheBudget) {
  Start(10);
  std::atomic<bool> over = false;
  std::vector<std::jthread> threads;
  for (unsigned thread = 0; thread < 6; ++thread) {
    threads.emplace_back([this, thread, &over] {
      std::mt19937 random(thread);
      for (int i = 0; i < 30; ++i) {
        const std::string name = Name(static_cast<int>(random() % 10));
        const NetworkHandle handle = Get(name);
        ASSERT_TRUE(handle);
        EXPECT_EQ(handle->name, name);
        EXPECT_NE(handle->resident, nullptr);
        EXPECT_GE(handle->use->holders, 1);
        over = over || budget_.used_bytes() > kBudget;
      }
    });
  }
  threads.clear();
  EXPECT_FALSE(over);
  EXPECT_LE(script_->networks, 3);
}

TEST_F(ResidencyTest, AnAliasIsMovedAndWhoWaitsForTheOldVersionGetsTheNew) {
  Start(4);
  ASSERT_EQ(aliases_.Set("n3", "stable", 0).value().first, 1);
  EXPECT_EQ(Get("n3@stable")->name, "n3");
  EXPECT_EQ(Ask("n3@unknown").get().status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace spikeserve::serving
