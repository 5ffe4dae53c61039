// Who asks for more than there is room for, and what happens where memory itself runs out.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/failing_allocations.h"
#include "tests/unit/serving/residency/residency_fixture.h"

namespace spikeserve::serving {
namespace {

using ::spikeserve::testing::FailingAllocation;
using ::testing::AllOf;
using ::testing::HasSubstr;

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

TEST_F(ResidencyTest, ARunThatNeedsMemoryGoesBeforeNetworksThatNobodyUses) {
  Start(3);
  const NetworkHandle held = Get("n2");
  const auto reservation = budget_.Reserve(2 * kNetworkBytes, "a run");
  EXPECT_TRUE(reservation.ok()) << reservation.status().message();
  EXPECT_FALSE(IsResident("n0") || IsResident("n1"));
  const Status refused = budget_.Reserve(2 * kNetworkBytes, "another").status();
  EXPECT_THAT(refused.message(), AllOf(HasSubstr("another: needs"), HasSubstr("in use")));
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

}  // namespace
}  // namespace spikeserve::serving
