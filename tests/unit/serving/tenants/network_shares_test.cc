#include "server/serving/tenants/network_shares.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

class NetworkSharesTest : public ::testing::Test {
 protected:
  TenantHandle Make(const TenantLimits& limits) {
    return std::make_shared<Tenant>("vision", TenantRules{1, 0, limits}, clock_);
  }

  FakeClock clock_;
  std::shared_ptr<NetworkShares> shares_ = std::make_shared<NetworkShares>();
};

TEST_F(NetworkSharesTest, NetworksAreBounded) {
  const TenantHandle tenant = Make(With([](TenantLimits& limits) { limits.networks = 1; }));
  auto share = shares_->Reserve(*tenant, 10);
  ASSERT_TRUE(share.ok());
  EXPECT_EQ(share.value().owner(), "vision");
  const Status refused = shares_->Reserve(*tenant, 10).status();
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.message(), HasSubstr("networks: 1 are loaded, allowed 1; unload one first"));
  share.value() = {};
  EXPECT_TRUE(shares_->Reserve(*tenant, 10).ok());
}

TEST_F(NetworkSharesTest, BytesAreBounded) {
  const TenantHandle tenant = Make(With([](TenantLimits& limits) { limits.network_bytes = 100; }));
  const auto share = shares_->Reserve(*tenant, 60);
  ASSERT_TRUE(share.ok());
  EXPECT_THAT(
      shares_->Reserve(*tenant, 41).status().message(),
      HasSubstr("network_bytes: networks have 60 bytes, this one 41, allowed 100 in all; unload one"));
  EXPECT_THAT(shares_->Reserve(*tenant, 101).status().message(), ::testing::Not(HasSubstr("unload")));
  EXPECT_TRUE(shares_->Reserve(*tenant, 40).ok());
  EXPECT_EQ(tenant->usage().refusals[static_cast<std::size_t>(Quota::kNetworkBytes)], 2);
}

TEST_F(NetworkSharesTest, WhatIsStoredCountsWhateverIsAllowed) {
  const TenantHandle tenant = Make(With([](TenantLimits& limits) { limits.networks = 1; }));
  {
    const auto first = shares_->Take("vision", 5);
    const auto second = shares_->Take("vision", 6);
    EXPECT_EQ(shares_->Of("vision").networks, 2);
    EXPECT_EQ(shares_->Of("vision").bytes, 11);
    EXPECT_FALSE(shares_->Reserve(*tenant, 0).ok());
  }
  EXPECT_EQ(shares_->Of("vision").networks, 0);
  EXPECT_TRUE(shares_->Reserve(*tenant, 0).ok());
}

TEST_F(NetworkSharesTest, ASharesOutlivesWhoGaveIt) {
  auto share = shares_->Take("vision", 5);
  shares_.reset();
  share = {};
}

}  // namespace
}  // namespace spikeserve::serving
