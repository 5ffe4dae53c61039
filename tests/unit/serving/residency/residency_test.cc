#include "server/serving/residency/residency.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/support/eventually.h"
#include "tests/unit/serving/residency/residency_fixture.h"

namespace spikeserve::serving {
namespace {

using ::spikeserve::testing::Eventually;
using ::testing::AllOf;
using ::testing::HasSubstr;

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

TEST_F(ResidencyTest, WhatIsPinnedAndComesLaterIsLoadedAsWell) {
  Start(3, {{"pinned", 0}});
  Store("pinned", kNetworkBytes, 0);
  Store("other", kNetworkBytes, 0);
  residency_->LoadPinned({"pinned", 1});
  residency_->LoadPinned({"other", 1});
  EXPECT_TRUE(Eventually([this] { return IsResident("pinned"); }));
  EXPECT_FALSE(IsResident("other"));
  EXPECT_EQ(evictions_, 1);
}

TEST_F(ResidencyTest, WhatFailsToLoadIsStoredStillAndSaysWhy) {
  Start(4);
  script_->on_advance = [](std::int64_t) { return Internal("warm-up failed"); };
  EXPECT_EQ(Ask("n3").get().status().message(), "warm-up failed");
  EXPECT_EQ(registry_.Find("n3", 0).value().state, NetworkState::kStored);
  script_->on_advance = nullptr;
  EXPECT_EQ(Get("n3")->name, "n3");
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
