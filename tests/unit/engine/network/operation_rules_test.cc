// What Network::Create refuses about single operations: a row for every rule of shape_rules.cc.

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

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

// An operation behind an Input of this shape, with the tensors below, and what the answer has to say.
struct Row {
  const char* name;
  Shape input;
  OperationKind kind;
  const char* message;
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

NetworkDefinition With(const Row& row) {
  NetworkDefinition network = testing::SingleOperation(row.kind, row.input);
  network.tensors = {testing::Tensor("one", {1}, {1}),
                     testing::Tensor("two", {2}, {1, 2}),
                     testing::Tensor("three", {3}, {1, 2, 3}),
                     testing::Tensor("2x3", {2, 3}, std::vector<float>(6, 1)),
                     testing::Tensor("4x1x3", {4, 1, 3}, std::vector<float>(12, 1)),
                     testing::Tensor("4x1x3x3", {4, 1, 3, 3}, std::vector<float>(36, 1))};
  return network;
}

Status Create(const Row& row) { return Network::Create(With(row), {}).status(); }

std::string RowName(const ::testing::TestParamInfo<Row>& info) { return info.param.name; }

class Refused : public ::testing::TestWithParam<Row> {};

TEST_P(Refused, SaysWhatWhichGotWanted) {
  const Status status = Create(GetParam());
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("the network has 1 violation:\n- operation '"));
  EXPECT_THAT(status.message(), HasSubstr(GetParam().message));
}

class Accepted : public ::testing::TestWithParam<Row> {};

TEST_P(Accepted, WithItsShape) {
  const Result<Network> network = Network::Create(With(GetParam()), {});
  ASSERT_TRUE(network.ok()) << network.status().message();
  EXPECT_EQ(ToString(network.value().shape(1)), GetParam().message);
}

using Ints = std::vector<std::int64_t>;

ConvOperation Conv(Ints stride, Ints dilation, Ints before, Ints after, std::int64_t groups = 2) {
  return {"4x1x3x3", "", std::move(stride), std::move(dilation), std::move(before), std::move(after), groups};
}
PoolOperation Pool(Ints window, Ints stride, Ints before, Ints after) {
  return {PoolKind::kAverage, std::move(window), std::move(stride),
          std::move(before),  std::move(after),  false};
}
NeuronOperation Neuron(NeuronModel model, Parameter gain = {}, Parameter bias = {},
                       std::optional<InitialVoltage> voltage = {}) {
  return {model, std::move(gain), std::move(bias), std::move(voltage)};
}

const Shape kImage = {5, 5, 2};

INSTANTIATE_TEST_SUITE_P(
    Linear, Refused,
    ::testing::Values(
        Row{"KindUnset", {2}, std::monostate{}, "'op': has no kind set"},
        Row{"InputWithConnection",
            {2},
            InputOperation{{2}, {}, {}},
            "is an Input and takes no connections, got 1"},
        Row{"AffineWeightUnknown",
            {3},
            AffineOperation{"none", ""},
            "weight names tensor 'none', which the network"},
        Row{"AffineWeightUnset", {3}, AffineOperation{"", ""}, "weight names tensor ''"},
        Row{"AffineWeightRank", {3}, AffineOperation{"three", ""}, "weight is 3, wanted [out, 3]"},
        Row{"AffineWeightLength", {2}, AffineOperation{"2x3", ""}, "weight is 2x3, wanted [out, 2]"},
        Row{"AffineBiasUnknown", {3}, AffineOperation{"2x3", "none"}, "bias names tensor 'none'"},
        Row{"AffineBiasLength", {3}, AffineOperation{"2x3", "three"}, "bias is 3, wanted 2"},
        Row{"ConvRank", {2}, Conv({1, 1}, {1, 1}, {0, 0}, {0, 0}), "input is 2 and weight 4x1x3x3, wanted"},
        Row{"ConvSpatialAxes", {5, 5, 5, 2}, Conv({1, 1}, {1, 1}, {0, 0}, {0, 0}), "1 or 2 spatial axes"},
        Row{"ConvWeightRank", {5, 2}, Conv({1}, {1}, {0}, {0}), "and weight 4x1x3x3, wanted"},
        Row{"ConvGroupsUnset", kImage, Conv({1, 1}, {1, 1}, {0, 0}, {0, 0}, 0),
            "groups is 0 with 2 input and 4"},
        Row{"ConvGroupsDoNotDivide", kImage, Conv({1, 1}, {1, 1}, {0, 0}, {0, 0}, 3),
            "groups is 3 with 2 input"},
        Row{"ConvGroupsAgainstWeight", kImage, Conv({1, 1}, {1, 1}, {0, 0}, {0, 0}, 1),
            "second axis be in/groups"},
        Row{"ConvStrideAxes", kImage, Conv({1}, {1, 1}, {0, 0}, {0, 0}), "for 1 axes, wanted 2"},
        Row{"ConvDilationAxes", kImage, Conv({1, 1}, {1, 1, 1}, {0, 0}, {0, 0}), "for 3 axes, wanted 2"},
        Row{"ConvPadAxes", kImage, Conv({1, 1}, {1, 1}, {}, {0, 0}), "for 0 axes, wanted 2"},
        Row{"ConvStrideZero", kImage, Conv({1, 0}, {1, 1}, {0, 0}, {0, 0}), "of axis 1 must be 1..65536"},
        Row{"ConvDilationHuge", kImage, Conv({1, 1}, {65537, 1}, {0, 0}, {0, 0}),
            "of axis 0 must be 1..65536"},
        Row{"ConvPadNegative", kImage, Conv({1, 1}, {1, 1}, {-1, 0}, {0, 0}),
            "axis 0 is -1 and 0, wanted 0..2"},
        Row{"ConvPadBeyondWindow", kImage, Conv({1, 1}, {1, 1}, {0, 0}, {0, 3}),
            "axis 1 is 0 and 3, wanted 0..2"},
        Row{"ConvDoesNotFit", kImage, Conv({1, 1}, {1, 3}, {0, 0}, {0, 0}),
            "extent 7 does not fit axis 1 of 5"},
        Row{"ConvBias", kImage, ConvOperation{"4x1x3x3", "two", {1, 1}, {1, 1}, {0, 0}, {0, 0}, 2},
            "bias is 2, wanted 4"},
        Row{"PoolKind", kImage, PoolOperation{PoolKind::kUnspecified, {2, 2}, {2, 2}, {0, 0}, {0, 0}, false},
            "pool kind is not set or unknown, allowed AVERAGE"},
        Row{"PoolRank", {5}, Pool({2}, {2}, {0}, {0}), "input is 5, wanted 1 or 2 spatial axes"},
        Row{"PoolWindowAxes", kImage, Pool({2}, {2, 2}, {0, 0}, {0, 0}), "for 1 axes, wanted 2"},
        Row{"PoolWindowZero", kImage, Pool({2, 0}, {2, 2}, {0, 0}, {0, 0}), "of axis 1 must be 1..65536"},
        Row{"PoolDoesNotFit", kImage, Pool({6, 2}, {2, 2}, {0, 0}, {0, 0}),
            "extent 6 does not fit axis 0 of 5"}),
    RowName);

INSTANTIATE_TEST_SUITE_P(
    Shape, Refused,
    ::testing::Values(
        Row{"ScaleShiftEmpty", {2}, ScaleShiftOperation{"", "", 0}, "has neither scale nor shift"},
        Row{"ScaleShiftAxisHigh", {2, 3}, ScaleShiftOperation{"three", "", 2}, "axis is 2, wanted -2..1"},
        Row{"ScaleShiftAxisLow", {2, 3}, ScaleShiftOperation{"three", "", -3}, "axis is -3, wanted -2..1"},
        Row{"ScaleUnknown", {2}, ScaleShiftOperation{"none", "", 0}, "scale names tensor 'none'"},
        Row{"ScaleLength",
            {2, 3},
            ScaleShiftOperation{"two", "", -1},
            "scale is 2, wanted 1, the length of the axis"},
        Row{"ShiftLength", {2, 3}, ScaleShiftOperation{"", "three", 0}, "shift is 3, wanted 1, the length"},
        Row{"SumCoefficients", {2}, WeightedSumOperation{{1, 2}}, "has 1 connections and 2 coefficients"},
        Row{"SumNoCoefficients", {2}, WeightedSumOperation{{}}, "has 1 connections and 0 coefficients"},
        Row{"SumCoefficientNan", {2}, WeightedSumOperation{{kNan}}, "has a coefficient that is not finite"},
        Row{"ConcatAxis", {2}, ConcatOperation{1}, "axis is 1, wanted -1..0"},
        Row{"ReshapeEmpty", {2, 3}, ReshapeOperation{{}}, "reshapes 2x3 to scalar, wanted as many elements"},
        Row{"ReshapeCount", {2, 3}, ReshapeOperation{{5}}, "reshapes 2x3 to 5, wanted as many elements"},
        Row{"ReshapeNegative", {2, 3}, ReshapeOperation{{-2, -3}}, "reshapes 2x3 to -2x-3, wanted"},
        Row{"ReshapeOverflow", {2, 3}, ReshapeOperation{{Shape(8, 65536)}}, "wanted as many elements"},
        Row{"PermuteLength", {2, 3}, PermuteOperation{{0}}, "permutation is not one of 0..1"},
        Row{"PermuteTwice", {2, 3}, PermuteOperation{{1, 1}}, "permutation is not one of 0..1"},
        Row{"PermuteRange", {2, 3}, PermuteOperation{{0, 2}}, "permutation is not one of 0..1"},
        Row{"PadAxes", {2, 3}, PadOperation{{1}, {1}}, "pads 1 and 1 axes, wanted 2"},
        Row{"PadCropsAll", {2, 3}, PadOperation{{0, -3}, {0, 3}}, "pads axis 1 of 3 by -3 and 3"},
        Row{"PadCropsBothEnds", {2, 3}, PadOperation{{0, -2}, {0, -1}}, "which leaves nothing"},
        Row{"PadHuge", {2, 3}, PadOperation{{0, 65537}, {0, 0}}, "pads axis 1 of 3 by 65537 and 0"},
        Row{"PadSmallest",
            {2},
            PadOperation{{std::numeric_limits<std::int64_t>::min()}, {0}},
            "is out of range"}),
    RowName);

INSTANTIATE_TEST_SUITE_P(
    Neurons, Refused,
    ::testing::Values(
        Row{"ModelUnset", {2}, Neuron({}), "has no neuron model set"},
        Row{"AmplitudeZero",
            {2},
            Neuron(SpikingRectifiedLinear{0}),
            "amplitude is 0, wanted finite and not 0"},
        Row{"AmplitudeNan", {2}, Neuron(IntegrateAndFire{kNan}), "amplitude is nan"},
        Row{"AmplitudeInfinite", {2}, Neuron(RectifiedLinear{kInf}), "amplitude is inf"},
        Row{"LifAmplitude", {2}, Neuron(Lif{.amplitude = 0}), "amplitude is 0"},
        Row{"LifTauRc", {2}, Neuron(Lif{.tau_rc = 0}), "tau_rc is 0, wanted a finite number > 0"},
        Row{"LifTauRcNan", {2}, Neuron(Lif{.tau_rc = kNan}), "tau_rc is nan"},
        Row{"LifTauRef", {2}, Neuron(Lif{.tau_ref = -1}), "tau_ref is -1"},
        Row{"LifTauRefInfinite", {2}, Neuron(Lif{.tau_ref = kInf}), "tau_ref is inf"},
        Row{"LifMinVoltage", {2}, Neuron(Lif{.min_voltage = 0.5}), "min_voltage is 0.5"},
        Row{"LifMinVoltageNan", {2}, Neuron(Lif{.min_voltage = kNan}), "min_voltage is nan"},
        Row{"GainNan", {2}, Neuron(IntegrateAndFire{}, kNan), "gain is nan, wanted a finite number"},
        Row{"BiasInfinite", {2}, Neuron(IntegrateAndFire{}, {}, kInf), "bias is inf, wanted a finite number"},
        Row{"GainUnknown", {2}, Neuron(IntegrateAndFire{}, "none"), "gain names tensor 'none'"},
        Row{"GainShape", {2}, Neuron(IntegrateAndFire{}, "three"), "gain is 3, wanted 2 or 2"},
        Row{"BiasShape", {3, 2}, Neuron(IntegrateAndFire{}, {}, "three"), "bias is 3, wanted 3x2 or 2"},
        Row{"VoltageOfRateNeuron",
            {2},
            Neuron(RectifiedLinear{}, {}, {}, ZeroVoltage{}),
            "initial_voltage is set, but the model has no voltage"},
        Row{"VoltageNan",
            {2},
            Neuron(IntegrateAndFire{}, {}, {}, ConstantVoltage{kNan}),
            "initial_voltage is nan"},
        Row{"VoltageHuge",
            {2},
            Neuron(IntegrateAndFire{}, {}, {}, ConstantVoltage{-2e6}),
            "wanted -1e6..1e6"},
        Row{"VoltageAboveLifThreshold", {2}, Neuron(Lif{}, {}, {}, ConstantVoltage{1.5}), "and <= 1 for LIF"},
        Row{"VoltageUnknown",
            {2},
            Neuron(Lif{}, {}, {}, TensorVoltage{"none"}),
            "initial_voltage names tensor 'none'"},
        Row{"VoltagePerChannel",
            {3, 2},
            Neuron(Lif{}, {}, {}, TensorVoltage{"two"}),
            "initial_voltage is 2, wanted 3x2"},
        Row{"ActivationUnset", {2}, ActivationOperation{}, "has no activation kind set"},
        Row{"SlopeNan", {2}, ActivationOperation{LeakyRelu{kNan}}, "negative_slope is not finite"}),
    RowName);

INSTANTIATE_TEST_SUITE_P(
    Shapes, Accepted,
    ::testing::Values(Row{"Affine", {3}, AffineOperation{"2x3", "two"}, "2"},
                      Row{"AffineOnLastAxis", {5, 4, 3}, AffineOperation{"2x3", ""}, "5x4x2"},
                      Row{"Conv", kImage, Conv({2, 1}, {1, 2}, {1, 0}, {1, 4}), "3x5x4"},
                      Row{"Conv1d", {7, 2}, ConvOperation{"4x1x3", "", {2}, {2}, {1}, {2}, 2}, "3x4"},
                      Row{"Pool", kImage, Pool({2, 3}, {2, 1}, {0, 2}, {1, 0}), "3x5x2"},
                      Row{"ScaleFull", {2, 3}, ScaleShiftOperation{"2x3", "one", 0}, "2x3"},
                      Row{"ScaleAxis", {2, 3}, ScaleShiftOperation{"two", "", -2}, "2x3"},
                      Row{"Sum", {2, 3}, WeightedSumOperation{{-0.5}}, "2x3"},
                      Row{"Reshape", {2, 3}, ReshapeOperation{{3, 1, 2}}, "3x1x2"},
                      Row{"Permute", {2, 3, 4}, PermuteOperation{{2, 0, 1}}, "4x2x3"},
                      Row{"PadAndCrop", {2, 3}, PadOperation{{1, -1}, {2, -1}}, "5x1"},
                      Row{"NeuronPerChannel", {3, 2}, Neuron(Lif{.min_voltage = -kInf}, "two", "two"), "3x2"},
                      Row{"LifAtThreshold", {2}, Neuron(Lif{}, {}, {}, ConstantVoltage{1}), "2"},
                      Row{"Softmax", {2}, ActivationOperation{Softmax{}}, "2"}),
    RowName);

TEST(OperationRules, InputShapeAndByteScaleAreChecked) {
  const auto refusal = [](InputOperation input) {
    NetworkDefinition network = testing::SingleOperation(WeightedSumOperation{{1}}, {2});
    network.operations[0].kind = std::move(input);
    return Network::Create(network, {}).status().message();
  };
  EXPECT_THAT(refusal({{}, {}, {}}), HasSubstr("shape has rank 0, allowed 1..4"));
  EXPECT_THAT(refusal({{1, 1, 1, 1, 1}, {}, {}}), HasSubstr("shape has rank 5, allowed 1..4"));
  EXPECT_THAT(refusal({{2, 0}, {}, {}}), HasSubstr("output shape 2x0 has a dimension below 1"));
  EXPECT_THAT(refusal({{-2}, {}, {}}), HasSubstr("output shape -2 has a dimension below 1"));
  EXPECT_THAT(refusal({{2}, 0.0, {}}), HasSubstr("uint8_scale must be finite and not 0"));
  EXPECT_THAT(refusal({{2}, kNan, {}}), HasSubstr("uint8_scale must be finite"));
  EXPECT_THAT(refusal({{2}, 1.0, kInf}), HasSubstr("uint8_offset finite"));
  EXPECT_THAT(refusal({{2}, {}, 1.0}), HasSubstr("only beside it"));
  EXPECT_EQ(refusal({{2}, 0.5, -1.0}), "");
}

// Two connections where one is wanted, none where some are.
TEST(OperationRules, ConnectionsAreCounted) {
  const OperationKind kinds[] = {
      AffineOperation{"2x3", ""}, ReshapeOperation{{3}}, Neuron(Lif{}),
      PadOperation{{0}, {0}},     PermuteOperation{{0}}, ActivationOperation{Softmax{}},
      Pool({1}, {1}, {0}, {0}),   Conv({}, {}, {}, {}),  ScaleShiftOperation{"one", "", 0}};
  for (const OperationKind& kind : kinds) {
    NetworkDefinition network = With({"", {3}, kind, ""});
    network.connections.push_back(network.connections[0]);
    EXPECT_THAT(Network::Create(network, {}).status().message(), HasSubstr("has 2 connections, wanted 1"));
    network.connections.clear();
    EXPECT_THAT(Network::Create(network, {}).status().message(), HasSubstr("has 0 connections, wanted 1"));
  }
  for (const OperationKind& kind :
       {OperationKind(WeightedSumOperation{}), OperationKind(ConcatOperation{0})}) {
    NetworkDefinition network = With({"", {3}, kind, ""});
    network.connections.clear();
    EXPECT_THAT(Network::Create(network, {}).status().message(), HasSubstr("connections"));
  }
}

TEST(OperationRules, JoinedShapesHaveToAgree) {
  NetworkDefinition network = testing::SingleOperation(WeightedSumOperation{{1, 1}}, {2, 3});
  network.operations.push_back({"other", InputOperation{{3, 2}, {}, {}}});
  network.connections.push_back({"other", "op", {}});
  EXPECT_THAT(Network::Create(network, {}).status().message(),
              HasSubstr("adds 2x3 and 3x2, wanted equal shapes"));
  network.operations[1].kind = ConcatOperation{0};
  EXPECT_THAT(Network::Create(network, {}).status().message(),
              HasSubstr("joins shapes that differ beside axis 0"));
  network.operations[2].kind = InputOperation{{4, 3}, {}, {}};
  const Result<Network> joined = Network::Create(network, {});
  ASSERT_TRUE(joined.ok()) << joined.status().message();
  EXPECT_EQ(joined.value().shape(1), (Shape{6, 3}));
}

}  // namespace
}  // namespace spikeserve::engine
