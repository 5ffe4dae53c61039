#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/serving/networks/aliases.h"
#include "server/serving/residency/residency.h"
#include "server/serving/sha256.h"
#include "tests/support/definitions.h"
#include "tests/support/fake_backend.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temporary_folder.h"

namespace spikeserve::serving {

inline constexpr std::int64_t kNetworkBytes = 1'000'000;
// For three networks, what all of them are shown by, and what passes.
inline constexpr std::int64_t kBudget = 3 * kNetworkBytes + kNetworkBytes / 2;

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
  spikeserve::testing::FakeClock fake_;
  const std::thread::id test_ = std::this_thread::get_id();
  std::atomic<bool> fails_ = false;
  mutable std::atomic<int> failed_ = 0;
};

// A server with networks of one size, on a fake device, and time that stands still.
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

  spikeserve::testing::TemporaryFolder folder_;
  NetworkRepository repository_ = NetworkRepository::Open(folder_.path()).value();
  MemoryBudget budget_{kBudget};
  MemoryBudget::Reservation cache_;
  std::shared_ptr<spikeserve::testing::FakeScript> script_ =
      std::make_shared<spikeserve::testing::FakeScript>();
  spikeserve::testing::FakeBackend backend_{script_};
  FailingClock clock_;
  std::atomic<bool> tell_fails_ = false;
  std::atomic<int> loads_ = 0;
  std::atomic<int> evictions_ = 0;
  NetworkRegistry registry_;
  Aliases aliases_{registry_, &repository_};
  std::int64_t parsed_bytes_ = 0;
  NetworkLoader loader_{
      {registry_,
       budget_,
       backend_,
       &repository_,
       [this](std::string_view) -> Result<ParsedNetwork> {
         auto bytes = budget_.Reserve(parsed_bytes_, "the definition");
         if (!bytes.ok()) {
           return bytes.status();
         }
         return ParsedNetwork{spikeserve::testing::SmallMlp(), {}, {}, std::move(bytes).value()};
       },
       {},
       1000,
       &aliases_,
       true}};
  std::optional<Residency> residency_;
  TaskThread tasks_;
};

}  // namespace spikeserve::serving
