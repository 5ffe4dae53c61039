#include "server/serving/tenants/tenant.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/fake_clock.h"

namespace spikeserve::serving {
namespace {

TenantLimits With(void (*set)(TenantLimits& limits)) {
  TenantLimits limits;
  set(limits);
  return limits;
}

using ::spikeserve::testing::FakeClock;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

class TenantTest : public ::testing::Test {
 protected:
  TenantHandle Make(const TenantLimits& limits) {
    return std::make_shared<Tenant>("vision", TenantRules{1, 0, limits}, clock_);
  }
  static std::int64_t Refusals(const Tenant& tenant, Quota quota) {
    return tenant.usage().refusals[static_cast<std::size_t>(quota)];
  }

  FakeClock clock_;
};

TEST_F(TenantTest, WithoutLimitsEverythingIsLetIn) {
  const TenantHandle tenant = Make({});
  std::vector<Tenant::Permit> permits;
  for (int i = 0; i < 1'000; ++i) {
    auto permit = tenant->Admit(1'000'000, std::int64_t{1} << 40);
    ASSERT_TRUE(permit.ok());
    permits.push_back(std::move(permit).value());
  }
  EXPECT_EQ(tenant->usage().requests, 1'000);
  permits.clear();
  EXPECT_EQ(tenant->usage().requests, 0);
  EXPECT_EQ(tenant->usage().queued_bytes, 0);
}

TEST_F(TenantTest, RequestsInFlightAreCountedUntilTheyEnd) {
  const TenantHandle tenant = Make(With([](TenantLimits& limits) { limits.requests = 2; }));
  auto first = tenant->Admit(1, 0);
  const auto second = tenant->Admit(1, 0);
  ASSERT_TRUE(first.ok() && second.ok());
  const Status refused = tenant->Admit(1, 0).status();
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.message(), HasSubstr("tenant \"vision\": requests: 2 are in flight, allowed 2"));
  EXPECT_GT(refused.retry_after(), 0ms);
  EXPECT_EQ(Refusals(*tenant, Quota::kRequests), 1);
  first.value() = {};
  EXPECT_TRUE(tenant->Admit(1, 0).ok());
}

TEST_F(TenantTest, TheTimeUntilOneEndsFollowsThoseThatHaveEnded) {
  const TenantHandle tenant = Make(With([](TenantLimits& limits) { limits.requests = 4; }));
  for (int i = 0; i < 200; ++i) {
    const auto permit = tenant->Admit(1, 0);
    clock_.Advance(2s);
  }
  std::vector<Result<Tenant::Permit>> permits;
  for (int i = 0; i < 4; ++i) {
    permits.push_back(tenant->Admit(1, 0));
  }
  EXPECT_NEAR(static_cast<double>(tenant->Admit(1, 0).status().retry_after().count()), 500, 5);  // 2 s / 4
}

TEST_F(TenantTest, ATenantThatMayHaveNoneIsNotToldToTryAgain) {
  const Status refused = Make(With([](TenantLimits& limits) { limits.requests = 0; }))->Admit(1, 0).status();
  EXPECT_THAT(refused.message(), HasSubstr("allowed 0"));
  EXPECT_EQ(refused.retry_after(), 0ms);
}

TEST_F(TenantTest, SamplesComeAtTheRateAfterABurst) {
  const TenantHandle tenant = Make(With([](TenantLimits& limits) {
    limits.samples_per_second = 100;
    limits.samples_burst = 50;
  }));
  EXPECT_TRUE(tenant->Admit(50, 0).ok());
  const Status refused = tenant->Admit(20, 0).status();
  EXPECT_THAT(refused.message(),
              HasSubstr("samples_per_second: the request has 20, left are 0, allowed 100 a "
                        "second and 50 at once; it fits in 0.200 s"));
  EXPECT_EQ(refused.retry_after(), 200ms);
  clock_.Advance(199ms);
  EXPECT_FALSE(tenant->Admit(20, 0).ok());
  clock_.Advance(1ms);
  EXPECT_TRUE(tenant->Admit(20, 0).ok());
  EXPECT_FALSE(tenant->Admit(1, 0).ok());
  clock_.Advance(1h);  // no more than the burst is kept
  EXPECT_TRUE(tenant->Admit(50, 0).ok());
  EXPECT_FALSE(tenant->Admit(1, 0).ok());
  EXPECT_EQ(Refusals(*tenant, Quota::kSamplesPerSecond), 4);
}

TEST_F(TenantTest, ARequestBeyondTheBurstNeverFits) {
  const Status refused = Make(With([](TenantLimits& limits) {
                           limits.samples_per_second = 100;
                           limits.samples_burst = 50;
                         }))
                             ->Admit(51, 0)
                             .status();
  EXPECT_THAT(refused.message(),
              HasSubstr("the request has 51, allowed 100 a second and 50 at once; send fewer"));
  EXPECT_EQ(refused.retry_after(), 0ms);
}

TEST_F(TenantTest, ARefusedRequestTakesNoSamples) {
  const TenantHandle tenant = Make(With([](TenantLimits& limits) {
    limits.requests = 1;
    limits.samples_per_second = 10;
    limits.samples_burst = 10;
  }));
  {
    const auto permit = tenant->Admit(5, 0);
    EXPECT_FALSE(tenant->Admit(5, 0).ok());  // for the requests in flight
  }
  auto permit = tenant->Admit(5, 0);
  ASSERT_TRUE(permit.ok());
  permit.value().GiveBack();
  EXPECT_EQ(tenant->usage().requests, 0);
  EXPECT_TRUE(tenant->Admit(5, 0).ok());
}

TEST_F(TenantTest, SamplesAreTakenOnceTheyAreRun) {
  const TenantHandle tenant = Make(With([](TenantLimits& limits) {
    limits.samples_per_second = 1;
    limits.samples_burst = 5;
  }));
  auto first = tenant->Admit(0, 0);
  auto second = tenant->Admit(0, 0);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_TRUE(first.value().TakeSamples(4).ok());
  const Status refused = second.value().TakeSamples(4);
  EXPECT_THAT(refused.message(), HasSubstr("samples_per_second: the request has 4, left are 1"));
  EXPECT_EQ(tenant->usage().requests, 2);
  first.value().ReturnSamples();
  first.value().ReturnSamples();  // there are none left to return
  EXPECT_TRUE(second.value().TakeSamples(5).ok());
  EXPECT_FALSE(tenant->Admit(1, 0).ok());
  second.value().GiveBack();
  EXPECT_TRUE(tenant->Admit(5, 0).ok());
  tenant->Charge(50);
  EXPECT_TRUE(tenant->Admit(0, 0).ok()) << "what is owed holds up samples, and there are none";
  EXPECT_TRUE(Tenant::Permit().TakeSamples(1'000).ok()) << "nobody's";
}

TEST_F(TenantTest, BytesOfRequestsInFlightAreBounded) {
  const TenantHandle tenant = Make(With([](TenantLimits& limits) { limits.queued_bytes = 1'000; }));
  const auto first = tenant->Admit(1, 600);
  ASSERT_TRUE(first.ok());
  const Status refused = tenant->Admit(1, 401).status();
  EXPECT_THAT(refused.message(), HasSubstr("queued_bytes: requests in flight have 600 bytes, this one 401, "
                                           "allowed 1000 in all"));
  EXPECT_GT(refused.retry_after(), 0ms);
  EXPECT_TRUE(tenant->Admit(1, 400).ok());
  const Status never = tenant->Admit(1, 1'001).status();
  EXPECT_THAT(never.message(),
              HasSubstr("the request has 1001 bytes, allowed 1000 in all; send it in smaller"));
  EXPECT_EQ(never.retry_after(), 0ms);
}

TEST_F(TenantTest, WhatSessionsTakeIsMissingAfterwards) {
  const TenantHandle tenant = Make(With([](TenantLimits& limits) {
    limits.samples_per_second = 10;
    limits.samples_burst = 10;
  }));
  tenant->Charge(15);
  EXPECT_EQ(tenant->Admit(1, 0).status().retry_after(), 600ms);
  tenant->Charge(1'000'000);  // a minute of the rate is the most that is owed
  EXPECT_EQ(tenant->Admit(10, 0).status().retry_after(), 60s);
  clock_.Advance(61s);
  EXPECT_TRUE(tenant->Admit(10, 0).ok());
}

TEST_F(TenantTest, NewRulesHoldAtOnceAndKeepWhatIsCounted) {
  const TenantHandle tenant = Make(With([](TenantLimits& limits) { limits.requests = 1; }));
  const auto permit = tenant->Admit(1, 0);
  tenant->SetRules({2, 1, With([](TenantLimits& limits) {
                      limits.requests = 2;
                      limits.samples_per_second = 1;
                      limits.samples_burst = 3;
                    })});
  EXPECT_EQ(tenant->rules().weight, 2);
  EXPECT_EQ(tenant->usage().requests, 1);
  {
    const auto second = tenant->Admit(3, 0);
    EXPECT_TRUE(second.ok());
    EXPECT_FALSE(tenant->Admit(1, 0).ok());
  }
  tenant->SetRules({2, 1, With([](TenantLimits& limits) {
                      limits.requests = 2;
                      limits.samples_per_second = 1;
                      limits.samples_burst = 100;
                    })});
  EXPECT_FALSE(tenant->Admit(1, 0).ok()) << "a new burst is not filled at once";
  tenant->SetRules({});
  EXPECT_TRUE(tenant->Admit(1'000, 0).ok());
}

TEST_F(TenantTest, APermitKeepsItsTenant) {
  std::optional<Result<Tenant::Permit>> permit =
      Make(With([](TenantLimits& limits) { limits.requests = 1; }))->Admit(1, 1);
  EXPECT_TRUE(permit->ok());
  permit.reset();
}

TEST_F(TenantTest, ManyThreadsLeaveNothingBehind) {
  const TenantHandle tenant = Make(With([](TenantLimits& limits) {
    limits.requests = 3;
    limits.queued_bytes = 100;
  }));
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 1'000; ++j) {
        const auto permit = tenant->Admit(1, 10);
        EXPECT_LE(tenant->usage().requests, 3);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(tenant->usage().requests, 0);
  EXPECT_EQ(tenant->usage().queued_bytes, 0);
}

}  // namespace
}  // namespace spikeserve::serving
