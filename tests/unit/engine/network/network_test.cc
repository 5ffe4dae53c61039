#include "server/engine/network/network.h"

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

// Whatever else is wrong: names, graph, tensors, a neuron, shapes, probes and defaults in one answer, and
// nothing that is just a consequence, such as the outputs of 'dense' without its weights.
TEST(Network, ListsTheViolationsOfAllChecksAtOnce) {
  NetworkDefinition definition = testing::SmallMlp();
  definition.tensors[0].data.resize(20);
  definition.tensors[2].shape = {3, 1};  // of 'output', which wants [1, 3]
  definition.operations.push_back({"twice", ReshapeOperation{{3}}});
  definition.operations.push_back({"twice", ReshapeOperation{{3}}});
  std::get<NeuronOperation>(definition.operations[2].kind).model = IntegrateAndFire{0.0};
  definition.connections.push_back({"nowhere", "twice", {}});
  definition.probes[0].name = "no name!";
  definition.probes.push_back({"other", "missing", ProbeQuantity::kOutput, {}});
  definition.probes.push_back({"spikes", "dense", ProbeQuantity::kSpikes, {}});
  definition.defaults.dt = -1;
  definition.defaults.steps = -4;
  const std::string message = Create(definition).message();
  for (const char* part : {"'w0': has 20 bytes", "operation 5: name 'twice'", "amplitude", "'nowhere'",
                           "probe 0: name 'no name!'", "'missing'", "reads spikes or voltage of 'dense'",
                           "dt is -1", "steps is -4"}) {
    EXPECT_THAT(message, HasSubstr(part));
  }
  EXPECT_THAT(message, HasSubstr("has 9 violations:"));
}

TEST(Network, GoesOnBehindAViolationWhereThatMakesSense) {
  NetworkDefinition definition = testing::SmallMlp();
  definition.tensors[2].shape = {3, 1};
  definition.connections.push_back({"output", "missing", {}});
  const std::string message = Create(definition).message();
  EXPECT_THAT(message, HasSubstr("2 violations"));
  EXPECT_THAT(message, HasSubstr("'output'"));
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
  EXPECT_THAT(Create(definition).message(),
              HasSubstr("neither an Input, a Neuron, a MAX pool nor a Product"));
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
