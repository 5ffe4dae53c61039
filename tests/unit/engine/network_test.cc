#include "server/engine/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/support/definitions.h"

namespace spikeserve::engine {
namespace {

using ::testing::HasSubstr;

Status Create(NetworkDefinition definition, const NetworkLimits& limits = {}) {
  return Network::Create(std::move(definition), limits).status();
}

TEST(Network, AcceptsASmallNetwork) {
  const Result<Network> network = Network::Create(testing::SmallMlp(), {});
  ASSERT_TRUE(network.ok()) << network.status().message();
  EXPECT_EQ(network.value().neurons(), 3);
  EXPECT_EQ(network.value().parameters(), 12);
  EXPECT_EQ(network.value().shape(3), Shape{1});
}

TEST(Network, ListsAllViolationsAtOnce) {
  NetworkDefinition definition = testing::SmallMlp();
  definition.connections[2].source = "nowhere";
  definition.tensors[0].data.resize(20);
  definition.probes[0].target = "output";
  const Status status = Create(definition);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("2 violations"));
  EXPECT_THAT(status.message(), HasSubstr("'nowhere'"));
  EXPECT_THAT(status.message(), HasSubstr("'w0': has 20 bytes"));
}

TEST(Network, RefusesWeightsThatAreNotFinite) {
  NetworkDefinition definition = testing::SmallMlp();
  definition.tensors[1] = testing::Tensor("b0", {3}, {0, std::numeric_limits<float>::infinity(), 0});
  EXPECT_THAT(Create(definition).message(), HasSubstr("'b0': has values that are NaN or infinite"));
}

TEST(Network, RefusesACycle) {
  NetworkDefinition definition = testing::SmallMlp();
  definition.connections[0].source = "output";
  EXPECT_THAT(Create(definition).message(), HasSubstr("cycle"));
}

TEST(Network, RefusesASynapseBehindALinearOperation) {
  NetworkDefinition definition = testing::SmallMlp();
  definition.connections[1].synapse = Lowpass{0.005};
  EXPECT_THAT(Create(definition).message(), HasSubstr("neither an Input nor a Neuron"));
}

TEST(Network, LimitsAreResourceExhausted) {
  NetworkLimits limits;
  limits.max_neurons = 2;
  const Status status = Create(testing::SmallMlp(), limits);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("neurons: got 3, this server allows 2"));
}

}  // namespace
}  // namespace spikeserve::engine
