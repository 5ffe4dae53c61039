#include "server/app/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spikeserve::app {
namespace {

using ::testing::IsEmpty;

const std::vector<std::string> kKnown = {"SPIKESERVE_LISTEN", "SPIKESERVE_MAX_BATCH",
                                         "SPIKESERVE_MEMORY_BUDGET_MB"};

TEST(StrangeVariables, ASlipOfThePenIsFoundWithWhatWasMeant) {
  const auto strange = StrangeVariables(
      {"HOME=/", "SPIKESERVE_MAX_BATCH=3", "SPIKESERVE_MEMORY_BUGET_MB=1=2", "SPIKESERVE_MAXBATCH="}, kKnown);
  ASSERT_EQ(strange.size(), 2U);
  EXPECT_EQ(strange[0].name, "SPIKESERVE_MEMORY_BUGET_MB");
  EXPECT_EQ(strange[0].nearest, "SPIKESERVE_MEMORY_BUDGET_MB");
  EXPECT_EQ(strange[1].name, "SPIKESERVE_MAXBATCH");
  EXPECT_EQ(strange[1].nearest, "SPIKESERVE_MAX_BATCH");
}

TEST(StrangeVariables, WhatKubernetesSetsForServicesIsNone) {
  EXPECT_THAT(
      StrangeVariables(
          {"SPIKESERVE_SERVICE_HOST=10.0.0.1", "SPIKESERVE_SERVICE_PORT=8001",
           "SPIKESERVE_SERVICE_PORT_GRPC=8001", "SPIKESERVE_PORT=tcp://10.0.0.1:8001",
           "SPIKESERVE_PORT_8001_TCP=tcp://10.0.0.1:8001", "SPIKESERVE_PORT_8001_TCP_PROTO=tcp",
           "SPIKESERVE_PORT_8001_TCP_PORT=8001", "SPIKESERVE_PORT_8001_TCP_ADDR=10.0.0.1",
           "SPIKESERVE_PROD_METRICS_SERVICE_HOST=10.0.0.1", "SPIKESERVE_PROD_METRICS_PORT=udp://10.0.0.1:1",
           "SPIKESERVE_PROD_METRICS_PORT_53_UDP_ADDR=10.0.0.1"},
          kKnown),
      IsEmpty());
  EXPECT_EQ(StrangeVariables({"SPIKESERVE_PORT=8001", "SPIKESERVE_HTTP_PORT=8000"}, kKnown).size(), 2U);
}

TEST(StrangeVariables, TheClientsAreNone) {
  EXPECT_THAT(StrangeVariables({"SPIKESERVE_SERVER=127.0.0.1:8001", "SPIKESERVE_TOKEN_FILE=token"}, kKnown),
              IsEmpty());
}

}  // namespace
}  // namespace spikeserve::app
