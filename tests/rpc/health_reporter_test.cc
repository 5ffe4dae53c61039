#include "server/rpc/health_reporter.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace spikeserve::rpc {
namespace {

class FakeHealthService final : public grpc::HealthCheckServiceInterface {
 public:
  void SetServingStatus(const std::string& name, bool serving) override { told[name] = serving; }
  void SetServingStatus(bool) override {}
  void Shutdown() override { ended = true; }

  std::map<std::string, bool> told;
  bool ended = false;
};

TEST(HealthReporter, PassesOnWhatWasSaidBeforeAndAfter) {
  HealthReporter reporter;
  FakeHealthService service;
  reporter.SetNetwork("before", true);
  reporter.Attach(service);
  reporter.SetNetwork("after", true);
  reporter.SetNetwork("after", false);
  EXPECT_EQ(service.told, (std::map<std::string, bool>{{"", false}, {"after", false}, {"before", true}}));
}

TEST(HealthReporter, TellsABoundedNumberOfNames) {
  HealthReporter reporter;
  FakeHealthService service;
  reporter.Attach(service);
  for (std::size_t i = 0; i < 2 * HealthReporter::kMaxNames; ++i) {
    reporter.SetNetwork("n" + std::to_string(i), true);
  }
  EXPECT_EQ(service.told.size(), HealthReporter::kMaxNames);
  reporter.SetNetwork("n0", false);  // who is known stays up to date
  reporter.SetServer(true);
  EXPECT_FALSE(service.told.at("n0"));
  EXPECT_TRUE(service.told.at("") && reporter.server_ready());
}

TEST(HealthReporter, AfterLeaveNothingIsReadyAnyMore) {
  HealthReporter reporter;
  FakeHealthService service;
  reporter.Attach(service);
  reporter.SetServer(true);
  reporter.Leave();
  EXPECT_TRUE(service.ended);
  EXPECT_FALSE(reporter.server_ready());
  reporter.SetServer(true);
  reporter.SetNetwork("net", true);
  EXPECT_FALSE(reporter.server_ready());
  EXPECT_EQ(service.told.count("net"), 0);
}

}  // namespace
}  // namespace spikeserve::rpc
