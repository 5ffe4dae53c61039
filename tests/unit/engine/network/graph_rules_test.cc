// What Network::Create refuses about the graph as a whole, and its limits: a test for every check of
// network_builder.cc.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <ostream>
#include <string>

#include "server/engine/network/network.h"
#include "tests/support/definitions.h"

namespace spikeserve::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

// A change that breaks testing::SmallMlp(), and what the answer has to say.
struct Row {
  const char* name;
  void (*change)(NetworkDefinition&);
  const char* message;
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }
std::string RowName(const ::testing::TestParamInfo<Row>& info) { return info.param.name; }

class GraphRefused : public ::testing::TestWithParam<Row> {};

TEST_P(GraphRefused, SaysWhatWhichGotWanted) {
  NetworkDefinition network = testing::SmallMlp();
  GetParam().change(network);
  const Status status = Network::Create(network, {}).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Tensors, GraphRefused,
    ::testing::Values(
        Row{"FormatVersion", [](auto& n) { n.format_version = 2; },
            "format_version is 2, this server reads 1"},
        Row{"IdEmpty", [](auto& n) { n.tensors[1].id = ""; }, "tensor 1: id '' is not a name or not unique"},
        Row{"IdCharacters", [](auto& n) { n.tensors[1].id = "b\n0"; }, "tensor 1: id 'b?0' is not a name"},
        Row{"IdTwice", [](auto& n) { n.tensors[1].id = "w0"; },
            "tensor 1: id 'w0' is not a name or not unique"},
        Row{"RankZero", [](auto& n) { n.tensors[1].shape = {}; }, "'b0': shape is scalar, wanted rank 1..5"},
        Row{"RankSix", [](auto& n) { n.tensors[1].shape = {1, 1, 1, 1, 1, 3}; },
            "'b0': shape is 1x1x1x1x1x3, wanted rank 1..5"},
        Row{"DimensionZero", [](auto& n) { n.tensors[1].shape = {0}; },
            "'b0': shape is 0, wanted rank 1..5, dimensions >= 1"},
        Row{"DimensionNegative",
            [](auto& n) {
              n.tensors[1].shape = {-1, -3};
            },
            "'b0': shape is -1x-3, wanted rank 1..5, dimensions >= 1"},
        Row{"DimensionsOverflow", [](auto& n) { n.tensors[1].shape = Shape(5, 1 << 20); },
            "'b0': shape is 1048576x1048576x1048576x1048576x1048576, wanted"},
        Row{"TypeUnset", [](auto& n) { n.tensors[1].type = DataType::kUnspecified; },
            "'b0': data_type must be FLOAT32 or FLOAT64"},
        Row{"TypeBytes", [](auto& n) { n.tensors[1].type = DataType::kUint8; },
            "'b0': data_type must be FLOAT32"},
        Row{"TooManyBytes", [](auto& n) { n.tensors[1].data += "abcd"; },
            "'b0': has 16 bytes, wanted 4 for each of 3 values of shape 3"},
        Row{"HalfAValue", [](auto& n) { n.tensors[1].data += "ab"; },
            "'b0': has 14 bytes, wanted 4 for each of 3"},
        Row{"HugeShape", [](auto& n) { n.tensors[1].shape = {1LL << 40}; },
            "has 12 bytes, wanted 4 for each of 1099"},
        Row{"WrongWidth", [](auto& n) { n.tensors[1].type = DataType::kFloat64; },
            "has 12 bytes, wanted 8 for each"},
        Row{"Nan",
            [](auto& n) {
              n.tensors[1] = testing::Tensor("b0", {3}, {0, 0, static_cast<float>(kNan)});
            },
            "'b0': has values that are NaN or infinite"},
        Row{"Infinite64",
            [](auto& n) {
              n.tensors[1] = testing::Tensor64("b0", {3}, {0, -kInf, 0});
            },
            "'b0': has values that are NaN or infinite"}),
    RowName);

INSTANTIATE_TEST_SUITE_P(
    Graph, GraphRefused,
    ::testing::Values(
        Row{"NameEmpty", [](auto& n) { n.operations[1].name = ""; },
            "operation 1: name '' must be 1..128 of"},
        Row{"NameSpace", [](auto& n) { n.operations[1].name = "a b"; }, "operation 1: name 'a b' must be"},
        Row{"NameLong", [](auto& n) { n.operations[1].name = std::string(129, 'x'); },
            "xxx...' must be 1..128 of"},
        Row{"NameTwice", [](auto& n) { n.operations[1].name = "input"; },
            "operation 1: name 'input' must be"},
        Row{"NoInput",
            [](auto& n) {
              n.operations[0].kind = AffineOperation{"w0", ""};
            },
            "has no Input operation"},
        Row{"Empty", [](auto& n) { n = {1, {}, {}, {}, {}, {}}; }, "has no Input operation"},
        Row{"Source", [](auto& n) { n.connections[1].source = "x"; },
            "connection 1: source names operation 'x', which"},
        Row{"Target", [](auto& n) { n.connections[1].target = "x"; },
            "connection 1: target names operation 'x', which"},
        Row{"SelfLoop",
            [](auto& n) {
              n.connections.push_back({"spikes", "spikes", Lowpass{0.01}});
            },
            "operation 'spikes': lies on or behind a cycle"},
        Row{"TauNegative", [](auto& n) { n.connections[2].synapse = Lowpass{-1}; },
            "connection 2: lowpass tau is -1 s"},
        Row{"TauNan", [](auto& n) { n.connections[2].synapse = Lowpass{kNan}; },
            "connection 2: lowpass tau is nan s"},
        Row{"TauHuge", [](auto& n) { n.connections[2].synapse = Lowpass{kInf}; },
            "tau is inf s, wanted 0..1e+06"},
        Row{"SynapseBehindAffine", [](auto& n) { n.connections[1].synapse = Lowpass{0.01}; },
            "connection 1: has a synapse or a delay, but its source 'dense' is neither an Input, a "
            "Neuron, a MAX pool nor a Product"},
        Row{"ActivationRead",
            [](auto& n) {
              n.operations.push_back({"softmax", ActivationOperation{Softmax{}}});
              n.operations.push_back({"after", WeightedSumOperation{{1}}});
              n.connections.push_back({"output", "softmax", {}});
              n.connections.push_back({"softmax", "after", {}});
            },
            "operation 'softmax': is an Activation and may only be probed, but 'after' reads it"}),
    RowName);

INSTANTIATE_TEST_SUITE_P(
    Probes, GraphRefused,
    ::testing::Values(Row{"None", [](auto& n) { n.probes.clear(); }, "the network has no probe"},
                      Row{"Name", [](auto& n) { n.probes[0].name = "a b"; },
                          "probe 0: name 'a b' is not a name or not unique"},
                      Row{"NameTwice", [](auto& n) { n.probes.push_back(n.probes[0]); },
                          "probe 1: name 'output' is not a name"},
                      Row{"Target", [](auto& n) { n.probes[0].target = "x"; },
                          "probe 0: target names operation 'x', which"},
                      Row{"QuantityUnset",
                          [](auto& n) { n.probes[0].quantity = ProbeQuantity::kUnspecified; },
                          "probe 'output': quantity is not set or unknown"},
                      Row{"Tau", [](auto& n) { n.probes[0].synapse = Lowpass{-0.5}; },
                          "probe 'output': lowpass tau is -0.5 s"},
                      Row{"SpikesOfAffine", [](auto& n) { n.probes[0].quantity = ProbeQuantity::kSpikes; },
                          "probe 'output': reads spikes or voltage of 'output', which is neither a spiking "
                          "Neuron, a MAX pool nor a Product"},
                      Row{"VoltageOfRateNeuron",
                          [](auto& n) {
                            n.operations[2].kind = NeuronOperation{RectifiedLinear{}, {}, {}, {}};
                            n.probes[0] = {"v", "spikes", ProbeQuantity::kVoltage, {}};
                          },
                          "probe 'v': reads spikes or voltage of 'spikes', which is neither a spiking "
                          "Neuron, a MAX pool nor a Product"}),
    RowName);

INSTANTIATE_TEST_SUITE_P(
    Defaults, GraphRefused,
    ::testing::Values(Row{"DtNegative", [](auto& n) { n.defaults.dt = -0.001; },
                          "defaults: dt is -0.001 s, wanted > 0"},
                      Row{"DtNan", [](auto& n) { n.defaults.dt = kNan; }, "defaults: dt is nan s"},
                      Row{"DtInfinite", [](auto& n) { n.defaults.dt = kInf; }, "defaults: dt is inf s"},
                      Row{"Steps", [](auto& n) { n.defaults.steps = -1; },
                          "defaults: steps is -1 and skip_steps 0, wanted >= 0"},
                      Row{"SkipSteps", [](auto& n) { n.defaults.readout.skip_steps = -3; },
                          "steps is 0 and skip_steps -3"}),
    RowName);

// A limit that testing::SmallMlp() or a variant of it passes by one.
struct Limit {
  const char* name;
  std::int64_t NetworkLimits::*limit;
  std::int64_t allowed;  // one less is refused
  const char* message;
};

void PrintTo(const Limit& limit, std::ostream* out) { *out << limit.name; }

class LimitRefused : public ::testing::TestWithParam<Limit> {};

TEST_P(LimitRefused, OneAboveIsResourceExhausted) {
  NetworkLimits limits;
  limits.*GetParam().limit = GetParam().allowed;
  const Result<Network> allowed = Network::Create(testing::SmallMlp(), limits);
  EXPECT_TRUE(allowed.ok()) << allowed.status().message();
  limits.*GetParam().limit = GetParam().allowed - 1;
  const Status status = Network::Create(testing::SmallMlp(), limits).status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Limits, LimitRefused,
    ::testing::Values(
        Limit{"Operations", &NetworkLimits::max_operations, 4, "operations: got 4, this server allows 3"},
        Limit{"Connections", &NetworkLimits::max_connections, 3, "connections: got 3, this server allows 2"},
        Limit{"Probes", &NetworkLimits::max_probes, 1, "probes: got 1, this server allows 0"},
        Limit{"Dimension", &NetworkLimits::max_dimension, 3,
              "'dense': output shape 3 has a dimension above 2"},
        Limit{"Elements", &NetworkLimits::max_elements, 3,
              "'dense': output shape 3 has more than 2 elements"},
        Limit{"Neurons", &NetworkLimits::max_neurons, 3,
              "neurons: got 3, this server allows 2 (--max-neurons)"},
        Limit{"Parameters", &NetworkLimits::max_parameters, 12,
              "parameters: got 12, this server allows 11 (--max-parameters)"},
        Limit{"Synapses", &NetworkLimits::max_synapses, 14,
              "'output': 1 outputs with a fan-in of 3 bring the network above the limit of 13"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(NetworkLimits, TensorsAreCountedByOperations) {
  NetworkDefinition network = testing::SmallMlp();
  for (int i = 0; i < 30; ++i) {
    network.tensors.push_back(testing::Tensor("more" + std::to_string(i), {1}, {0}));
  }
  NetworkLimits limits;
  limits.max_operations = 4;
  const Status status = Network::Create(network, limits).status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("tensors: got 33, this server allows 32"));
}

TEST(NetworkLimits, PoolAndConvWorkIsBounded) {
  NetworkLimits limits;
  limits.max_synapses = 100;
  PoolOperation pool{PoolKind::kAverage, {5, 5}, {1, 1}, {4, 4}, {4, 4}, true};
  NetworkDefinition network = testing::SingleOperation(pool, {1, 1, 1});
  EXPECT_THAT(Network::Create(network, limits).status().message(),
              HasSubstr("25 outputs with a fan-in of 25 bring"));
  network.operations[1].kind = ConvOperation{"w", "", {1, 1}, {1, 1}, {4, 4}, {4, 4}, 1};
  network.tensors = {testing::Tensor("w", {1, 1, 5, 5}, std::vector<float>(25, 1))};
  EXPECT_THAT(Network::Create(network, limits).status().message(),
              HasSubstr("25 outputs with a fan-in of 25 bring"));
}

// Of all operations together, also those that nothing reads.
TEST(NetworkLimits, WorkOfManyOperationsIsBounded) {
  NetworkDefinition network = testing::SmallMlp();
  network.operations.push_back({"more", AffineOperation{"w0", ""}});
  network.connections.push_back({"input", "more", {}});
  NetworkLimits limits;
  limits.max_synapses = 14 + 3 * 2;
  EXPECT_TRUE(Network::Create(network, limits).ok());
  EXPECT_EQ(Network::Create(network, limits).value().synapses(), 20);
  --limits.max_synapses;
  EXPECT_EQ(Network::Create(network, limits).status().code(), StatusCode::kResourceExhausted);
}

TEST(NetworkLimits, DimensionsAreFew) {
  NetworkDefinition network = testing::SingleOperation(ReshapeOperation{Shape(8, 1)}, {1});
  EXPECT_TRUE(Network::Create(network, {}).ok());
  network.operations[1].kind = ReshapeOperation{Shape(2'000'000, 1)};
  EXPECT_THAT(Network::Create(network, {}).status().message(),
              HasSubstr("'op': output shape has 2000000 dimensions, allowed are 8"));
}

// A reshape cannot grow, but pads and concatenations can: their output is bounded before anything is built.
TEST(NetworkLimits, OutputsThatOverflowAreRefused) {
  NetworkDefinition network =
      testing::SingleOperation(PadOperation{Shape(4, 60000), Shape(4, 0)}, {1, 1, 1, 1});
  const Status status = Network::Create(network, {}).status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("60001x60001x60001x60001 has more than 16777216 elements"));
}

TEST(NetworkViolations, RulesAndLimitsTogetherAreAnInvalidArgument) {
  NetworkDefinition network = testing::SmallMlp();
  network.probes[0].name = "";
  network.defaults.dt = -1;
  NetworkLimits limits;
  limits.max_neurons = 1;
  const Status status = Network::Create(network, limits).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("3 violations"));
  EXPECT_THAT(status.message(), HasSubstr("neurons: got 3, this server allows 1"));
}

// One bad operation is one violation, however many read it.
TEST(NetworkViolations, FollowersOfABadOperationStaySilent) {
  NetworkDefinition network = testing::SmallMlp();
  network.operations[1].kind = AffineOperation{"w1", ""};
  const Status status = Network::Create(network, {}).status();
  EXPECT_THAT(status.message(), HasSubstr("the network has 1 violation:"));
  EXPECT_THAT(status.message(), Not(HasSubstr("'output'")));
}

TEST(NetworkViolations, OnlyTheFirstFiftyAreListed) {
  NetworkDefinition network = testing::SmallMlp();
  for (int i = 0; i < 60; ++i) {
    network.connections.push_back({"nowhere", "dense", {}});
  }
  const std::string message = Network::Create(network, {}).status().message();
  EXPECT_THAT(message, HasSubstr("60 violations"));
  EXPECT_THAT(message, HasSubstr("- and 10 more"));
}

}  // namespace
}  // namespace spikeserve::engine
