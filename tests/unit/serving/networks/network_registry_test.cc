#include "server/serving/networks/network_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <new>
#include <optional>
#include <thread>

#include "server/serving/names.h"
#include "tests/support/entries.h"
#include "tests/support/failing_allocations.h"

namespace spikeserve::serving {
namespace {

using ::spikeserve::testing::FailingAllocation;
using ::spikeserve::testing::FakeScript;
using ::spikeserve::testing::MakeEntry;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Something that Unload can hold, and a way to wait until it has let go.
class Freed {
 public:
  std::shared_ptr<void> Token() {
    return {this, [this](void*) { done_.set_value(); }};
  }
  void Await() { done_.get_future().wait(); }

 private:
  std::promise<void> done_;
};

class NetworkRegistryTest : public ::testing::Test {
 protected:
  NetworkHandle Load(std::int64_t version, const std::string& name = "net") {
    auto claim = registry_.BeginLoad(name, version, 0);
    if (!claim.ok()) {
      throw std::runtime_error(claim.status().message());
    }
    auto entry = MakeEntry(script_, name, claim.value().version());
    return registry_.Publish(std::move(claim).value(), std::move(entry));
  }
  void UnloadAndWait(std::int64_t version) {
    Freed freed;
    ASSERT_TRUE(registry_.Unload("net", version, freed.Token()).ok());
    freed.Await();
  }

  std::shared_ptr<FakeScript> script_ = std::make_shared<FakeScript>();
  std::vector<std::pair<std::string, bool>> news_;
  NetworkRegistry registry_{[this](const std::string& name, bool ready) { news_.emplace_back(name, ready); }};
};

TEST_F(NetworkRegistryTest, AClaimIsLoadingAndGoneWhenDropped) {
  {
    const auto claim = registry_.BeginLoad("net", 0, 0);
    ASSERT_TRUE(claim.ok());
    EXPECT_EQ(claim.value().version(), 1);
    EXPECT_EQ(registry_.Find("net", 1).value().state, NetworkState::kLoading);
    EXPECT_EQ(registry_.Get("net", 0).status().code(), StatusCode::kUnavailable);
    EXPECT_EQ(registry_.BeginLoad("net", 1, 0).status().code(), StatusCode::kAlreadyExists);
  }
  EXPECT_EQ(registry_.Find("net", 1).status().code(), StatusCode::kNotFound);
  EXPECT_TRUE(registry_.List().empty());
}

TEST_F(NetworkRegistryTest, VersionZeroIsOneAboveTheHighestLoadedOrStored) {
  Load(3);
  EXPECT_EQ(registry_.BeginLoad("net", 0, 0).value().version(), 4);
  EXPECT_EQ(registry_.BeginLoad("net", 0, 7).value().version(), 8);
  EXPECT_EQ(registry_.BeginLoad("net", 0, kMaxVersion).status().code(), StatusCode::kOutOfRange);
}

TEST_F(NetworkRegistryTest, GetsTheHighestReadyVersionByDefault) {
  Load(1);
  Load(5);
  const auto loading = registry_.BeginLoad("net", 9, 0);
  EXPECT_EQ(registry_.Get("net", 0).value()->version, 5);
  EXPECT_EQ(registry_.Get("net", 1).value()->version, 1);
  EXPECT_THAT(registry_.Get("net", 2).status().message(), HasSubstr("\"net\" version 2 is not loaded"));
  EXPECT_THAT(registry_.Get("other", 0).status().message(), HasSubstr("\"other\" is not loaded"));
}

TEST_F(NetworkRegistryTest, RefusesALoadedVersion) {
  Load(1);
  const auto again = registry_.BeginLoad("net", 1, 0);
  EXPECT_EQ(again.status().code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(again.status().message(), HasSubstr("\"net\" version 1 is already loaded"));
}

TEST_F(NetworkRegistryTest, UnloadFreesAtOnceWhatNobodyUses) {
  Load(1);
  UnloadAndWait(1);
  EXPECT_EQ(script_->networks, 0);
  EXPECT_EQ(registry_.Find("net", 1).status().code(), StatusCode::kNotFound);
}

TEST_F(NetworkRegistryTest, UnloadWaitsForTheLastHandle) {
  NetworkHandle held = Load(1);
  Freed freed;
  EXPECT_THAT(registry_.Unload("net", 1, freed.Token()).value(), ElementsAre(1));
  EXPECT_EQ(registry_.Get("net", 1).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(registry_.Find("net", 1).value().state, NetworkState::kUnloading);
  EXPECT_EQ(registry_.BeginLoad("net", 1, 0).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(script_->networks, 1);
  held.reset();
  freed.Await();
  EXPECT_EQ(script_->networks, 0);
  EXPECT_TRUE(registry_.BeginLoad("net", 1, 0).ok());
}

TEST_F(NetworkRegistryTest, UnloadsAllVersionsButThoseLoading) {
  Load(1);
  Load(2);
  const auto loading = registry_.BeginLoad("net", 3, 0);
  Freed freed;
  EXPECT_THAT(registry_.Unload("net", 0, freed.Token()).value(), ElementsAre(1, 2));
  freed.Await();
  EXPECT_EQ(registry_.List().size(), 1U);
  EXPECT_EQ(registry_.Find("net", 3).value().state, NetworkState::kLoading);
}

TEST_F(NetworkRegistryTest, TwoUnloadsOfOneVersionBothHearOfItsEnd) {
  NetworkHandle held = Load(1);
  Freed first;
  Freed second;
  ASSERT_TRUE(registry_.Unload("net", 1, first.Token()).ok());
  ASSERT_TRUE(registry_.Unload("net", 1, second.Token()).ok());
  held.reset();
  first.Await();
  second.Await();
}

TEST_F(NetworkRegistryTest, ARefusedUnloadHoldsNothing) {
  const auto token = std::make_shared<int>(0);
  EXPECT_EQ(registry_.Unload("net", 0, token).status().code(), StatusCode::kNotFound);
  const auto loading = registry_.BeginLoad("net", 1, 0);
  EXPECT_EQ(registry_.Unload("net", 1, token).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(token.use_count(), 1);
}

TEST_F(NetworkRegistryTest, TellsWhetherANameIsReady) {
  Load(1);
  Load(2);
  UnloadAndWait(1);
  UnloadAndWait(2);
  EXPECT_THAT(news_, ElementsAre(std::pair("net", true), std::pair("net", true), std::pair("net", true),
                                 std::pair("net", false)));
}

TEST_F(NetworkRegistryTest, AHandleMayOutliveTheRegistry) {
  NetworkHandle handle;
  {
    NetworkRegistry registry;
    auto claim = registry.BeginLoad("net", 1, 0);
    handle = registry.Publish(std::move(claim).value(), MakeEntry(script_));
  }
  EXPECT_EQ(script_->networks, 1);
  handle.reset();
  EXPECT_EQ(script_->networks, 0);
}

TEST_F(NetworkRegistryTest, GivesTheReservationBackWithTheNetwork) {
  MemoryBudget budget(100);
  auto entry = MakeEntry(script_);
  entry->reservation = budget.Reserve(40, "the network").value();
  auto claim = registry_.BeginLoad("net", 1, 0);
  registry_.Publish(std::move(claim).value(), std::move(entry));
  EXPECT_EQ(budget.used_bytes(), 40);
  UnloadAndWait(1);
  EXPECT_EQ(budget.used_bytes(), 0);
}

TEST_F(NetworkRegistryTest, LoadsGetsAndUnloadsAtTheSameTime) {
  constexpr int kRounds = 2000;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([this] {
        for (int i = 0; i < kRounds; ++i) {
          auto claim = registry_.BeginLoad("shared", 0, 0);
          ASSERT_TRUE(claim.ok());
          if (i % 3 == 0) {
            continue;  // given up
          }
          auto entry = MakeEntry(script_, "shared", claim.value().version());
          registry_.Publish(std::move(claim).value(), std::move(entry));
        }
      });
      threads.emplace_back([this] {
        for (int i = 0; i < kRounds; ++i) {
          const auto handle = registry_.Get("shared", 0);
          if (handle.ok()) {
            EXPECT_GT(handle.value()->resident->bytes(), 0);
          }
          static_cast<void>(registry_.List());
        }
      });
      threads.emplace_back([this] {
        for (int i = 0; i < kRounds; ++i) {
          static_cast<void>(registry_.Unload("shared", 0, nullptr));
        }
      });
    }
  }
  Freed freed;
  if (registry_.Unload("shared", 0, freed.Token()).ok()) {
    freed.Await();
  }
}

TEST_F(NetworkRegistryTest, AnExchangedNetworkServesWhoHasItUntilTheyAreDone) {
  NetworkHandle old = Load(1);
  const auto fresh = registry_.Exchange(MakeEntry(script_, "net", 1));
  ASSERT_TRUE(fresh.ok());
  EXPECT_EQ(registry_.Get("net", 0).value(), fresh.value());
  EXPECT_NE(old, fresh.value());
  EXPECT_EQ(registry_.List().size(), 1U);
  ASSERT_TRUE(registry_.Unload("net", 1, nullptr).ok());
  old.reset();
  Load(2);
  UnloadAndWait(2);  // the reaper has passed the old one by then
  EXPECT_EQ(registry_.Find("net", 1).value().state, NetworkState::kUnloading);  // the new one is in use
}

TEST_F(NetworkRegistryTest, OnlyWhatIsReadyIsExchanged) {
  EXPECT_EQ(registry_.Exchange(MakeEntry(script_, "net", 1)).status().code(), StatusCode::kUnavailable);
  const NetworkHandle held = Load(1);
  ASSERT_TRUE(registry_.Unload("net", 1, nullptr).ok());
  EXPECT_EQ(registry_.Exchange(MakeEntry(script_, "net", 1)).status().code(), StatusCode::kUnavailable);
}

// Does `work` without its first allocation, then without its second, and so on, until it needs no more.
void WithoutMemory(const std::function<void()>& work, const std::function<void()>& check) {
  for (int which = 0;; ++which) {
    bool failed = false;
    {
      const FailingAllocation failing(which);
      try {
        work();
      } catch (const std::bad_alloc&) {
      }
      failed = failing.failed();
    }
    check();
    if (!failed) {
      EXPECT_GT(which, 0);
      return;
    }
  }
}

TEST_F(NetworkRegistryTest, WithoutMemoryNoClaimIsLeft) {
  const std::string name = "a name that has to be allocated";
  Load(1, name);
  WithoutMemory([&] { static_cast<void>(registry_.BeginLoad(name, 2, 0)); },  // and dropped
                [&] { EXPECT_EQ(registry_.Find(name, 2).status().code(), StatusCode::kNotFound); });
  std::optional<NetworkRegistry::Claim> claim;
  const auto begin = [&] { claim.emplace(registry_.BeginLoad(name, 2, 0).value()); };
  begin();
  WithoutMemory([&] { claim.reset(); },
                [&] {
                  EXPECT_EQ(registry_.Find(name, 2).status().code(), StatusCode::kNotFound);
                  begin();
                });
  auto entry = MakeEntry(script_, name, 2);
  WithoutMemory([&] { registry_.Publish(std::move(*claim), std::move(entry)); },
                [&] {
                  if (registry_.Get(name, 2).ok()) {
                    Freed freed;
                    ASSERT_TRUE(registry_.Unload(name, 2, freed.Token()).ok());
                    freed.Await();
                  }
                  EXPECT_EQ(registry_.Find(name, 2).status().code(), StatusCode::kNotFound);
                  claim.reset();
                  begin();
                  entry = MakeEntry(script_, name, 2);
                });
}

TEST_F(NetworkRegistryTest, WithoutMemoryAnUnloadIsEitherDoneOrNot) {
  const std::string name = "a name that has to be allocated";
  Load(1, name);
  Load(2, name);
  const auto token = std::make_shared<int>();
  WithoutMemory([&] { static_cast<void>(registry_.Unload(name, 0, token)); },
                [&] {
                  if (registry_.Get(name, 1).ok()) {
                    EXPECT_EQ(token.use_count(), 1);
                    EXPECT_TRUE(registry_.Get(name, 2).ok());
                  }
                });
  while (!registry_.List().empty()) {
    std::this_thread::yield();
  }
}

}  // namespace
}  // namespace spikeserve::serving
