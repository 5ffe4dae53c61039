#include "server/serving/metrics/access_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/serving/metrics/metrics.h"

namespace spikeserve::serving {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class AccessMetricsTest : public ::testing::Test {
 protected:
  static TenantReading Reading(const std::string& name, std::int64_t refusals) {
    TenantReading reading{name, {3, 100, {}}, {2, 50}};
    reading.usage.refusals[0] = refusals;
    return reading;
  }

  Metrics metrics_{"1", "cpu"};
  AccessMetrics access_{metrics_.registry()};
};

TEST_F(AccessMetricsTest, ShowsWhatTenantsUse) {
  access_.Show({Reading("vision", 1)});
  access_.Show({Reading("vision", 4)});
  const std::string text = metrics_.Expose();
  EXPECT_THAT(text, HasSubstr("spikeserve_tenant_requests_in_flight{tenant=\"vision\"} 3"));
  EXPECT_THAT(text, HasSubstr("spikeserve_tenant_queued_bytes{tenant=\"vision\"} 100"));
  EXPECT_THAT(text, HasSubstr("spikeserve_tenant_networks{tenant=\"vision\"} 2"));
  EXPECT_THAT(text, HasSubstr("spikeserve_tenant_network_bytes{tenant=\"vision\"} 50"));
  EXPECT_THAT(text, HasSubstr("spikeserve_quota_refusals_total{quota=\"requests\",tenant=\"vision\"} 4"));
}

TEST_F(AccessMetricsTest, ForgetsWhoIsGone) {
  access_.Show({Reading("vision", 1), Reading("other", 1)});
  access_.Show({Reading("other", 1)});
  EXPECT_THAT(metrics_.Expose(), Not(HasSubstr("vision")));
  access_.Show({Reading("vision", 0)});
  EXPECT_THAT(metrics_.Expose(),
              HasSubstr("spikeserve_quota_refusals_total{quota=\"requests\",tenant=\"vision\"} 0"));
}

TEST_F(AccessMetricsTest, SeriesAreBounded) {
  std::vector<TenantReading> readings;
  for (std::size_t i = 0; i <= AccessMetrics::kMaxTenants; ++i) {
    readings.push_back(Reading("n" + std::to_string(i), 0));
  }
  access_.Show(readings);
  EXPECT_THAT(metrics_.Expose(), HasSubstr("tenant=\"n999\""));
  EXPECT_THAT(metrics_.Expose(), Not(HasSubstr("tenant=\"n1000\"")));
}

TEST_F(AccessMetricsTest, CountsReloadsAndShowsTheExpiry) {
  access_.CountReload("certificate", false);
  access_.SetCertificateExpiry(std::chrono::system_clock::from_time_t(1'577'923'200));
  const std::string text = metrics_.Expose();
  EXPECT_THAT(text, HasSubstr("spikeserve_reloads_total{result=\"failed\",what=\"certificate\"} 1"));
  EXPECT_THAT(text, HasSubstr("spikeserve_certificate_expiry_timestamp_seconds 1577923200"));
}

}  // namespace
}  // namespace spikeserve::serving
