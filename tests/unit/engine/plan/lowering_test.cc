#include "server/engine/plan/lowering.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>

#include "kernels/cpu/product.h"
#include "server/engine/plan/compile.h"
#include "tests/support/definitions.h"

namespace spikeserve::engine {
namespace {

std::vector<float> Random(std::size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  for (float& value : values) {
    value = uniform(engine);
  }
  return values;
}

// input 6x6x2 -> [conv] -> pool 2 -> conv 3x3 (groups 2, stride 2, padded) -> scale, probed.
Network ConvNetwork() {
  NetworkDefinition network;
  network.format_version = 1;
  PoolOperation pool{PoolKind::kAverage, {2, 2}, {2, 2}, {0, 0}, {0, 0}, false};
  ConvOperation conv{"w", "b", {2, 1}, {1, 1}, {1, 1}, {1, 1}, 2};
  network.operations = {{"in", InputOperation{{6, 6, 2}, 1.0, {}}},
                        {"pool", pool},
                        {"conv", conv},
                        {"scale", ScaleShiftOperation{"s", "", -1}}};
  network.connections = {{"in", "pool", {}}, {"pool", "conv", {}}, {"conv", "scale", {}}};
  network.probes = {{"p", "scale", ProbeQuantity::kOutput, {}}};
  network.tensors = {testing::Tensor("w", {4, 1, 3, 3}, Random(36, 1)),
                     testing::Tensor("b", {4}, Random(4, 2)),
                     testing::Tensor("s", {4}, {1, 2, -0.5F, 0.25F})};
  Result<Network> created = Network::Create(network, {});
  EXPECT_TRUE(created.ok()) << created.status().message();
  return std::move(created).value();
}

// Applies a product to values in double, through its integers or its floats.
std::vector<double> Apply(const kernels::Product& product, const std::vector<float>& source, bool integers) {
  std::vector<float> cells(static_cast<std::size_t>(product.in));
  kernels::Gather(product.gather, source, cells);
  std::vector<float> sums(static_cast<std::size_t>(product.out));
  std::vector<float> weights = product.floats;
  if (integers) {
    weights.assign(product.integers.begin(), product.integers.end());
  }
  kernels::Accumulate(product, weights, cells, sums);
  std::vector<double> out(sums.begin(), sums.end());
  for (std::size_t j = 0; j < out.size(); ++j) {
    const std::size_t row = j % product.row_scale.size();
    out[j] *= product.row_scale[row] * (integers ? product.integer_unit[row] : 1.0);
  }
  return out;
}

// The same by the rows of each operation, one after the other.
std::vector<double> ByRows(const Network& network, const std::vector<Link>& chain,
                           const std::vector<float>& in) {
  std::vector<double> values(in.begin(), in.end());
  std::vector<Entry> entries;
  for (const Link& link : chain) {
    const LinearOperator op(network, link);
    std::vector<double> next(static_cast<std::size_t>(op.rows()), 0.0);
    for (std::int64_t row = 0; row < op.rows(); ++row) {
      op.Row(row, entries);
      for (const Entry& entry : entries) {
        next[static_cast<std::size_t>(row)] += entry.weight * values[static_cast<std::size_t>(entry.column)];
      }
    }
    values = std::move(next);
  }
  return values;
}

void ExpectNear(const std::vector<double>& got, const std::vector<double>& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], wanted[i], 2e-5) << "at " << i;  // values below 10, weights of 22 bits
  }
}

TEST(LowerChain, PoolConvScaleBecomesOneConvolution) {
  const Network network = ConvNetwork();
  const std::vector<Link> chain = {{1, 0}, {2, 0}, {3, 0}};
  const Result<kernels::Product> product = LowerChain(network, 0, chain, {true, true}, 1 << 20);
  ASSERT_TRUE(product.ok());
  EXPECT_EQ(product.value().kind, kernels::ProductKind::kConv);
  EXPECT_FALSE(product.value().gather.start.empty());
  const std::vector<float> input = Random(72, 3);
  ExpectNear(Apply(product.value(), input, true), ByRows(network, chain, input));
  ExpectNear(Apply(product.value(), input, false), ByRows(network, chain, input));
}

// A separable convolution, and a matrix over channels behind another one.
TEST(LowerChain, MatricesOverChannelsBecomePartOfTheConvolution) {
  NetworkDefinition definition = ConvNetwork().definition();
  definition.operations.push_back({"point", ConvOperation{"v", "", {1, 2}, {1, 1}, {0, 0}, {0, 0}, 1}});
  definition.operations.push_back({"sum", WeightedSumOperation{{-0.5}}});
  definition.operations.push_back({"affine", AffineOperation{"u", ""}});
  definition.operations.push_back({"behind", ScaleShiftOperation{"r", "", -1}});
  definition.connections.push_back({"scale", "point", {}});
  definition.connections.push_back({"point", "sum", {}});
  definition.connections.push_back({"sum", "affine", {}});
  definition.connections.push_back({"affine", "behind", {}});
  definition.tensors.push_back(testing::Tensor("v", {5, 4, 1, 1}, Random(20, 5)));
  definition.tensors.push_back(testing::Tensor("u", {3, 5}, Random(15, 6)));
  definition.tensors.push_back(testing::Tensor("r", {3}, {2, -1, 0.5F}));
  const Result<Network> network = Network::Create(definition, {});
  ASSERT_TRUE(network.ok()) << network.status().message();
  const std::vector<Link> chain = {{1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}, {6, 0}, {7, 0}};
  const Result<kernels::Product> product = LowerChain(network.value(), 0, chain, {true, true}, 1 << 20);
  ASSERT_TRUE(product.ok());
  EXPECT_EQ(product.value().kind, kernels::ProductKind::kConv);
  EXPECT_EQ(product.value().conv.groups, 1);
  EXPECT_EQ(product.value().conv.out_channels, 3);
  const std::vector<float> input = Random(72, 7);
  ExpectNear(Apply(product.value(), input, true), ByRows(network.value(), chain, input));
  ExpectNear(Apply(product.value(), input, false), ByRows(network.value(), chain, input));
  const StopCheck stop = [] { return true; };
  WeightForms stopped{true, true};
  stopped.stopped = &stop;
  EXPECT_EQ(LowerChain(network.value(), 0, chain, stopped, 1 << 20).status().code(), StatusCode::kCancelled);
  // More weights than are allowed: as a sparse matrix, which has too many entries as well.
  EXPECT_EQ(LowerChain(network.value(), 0, chain, {true, true}, 53).status().code(),
            StatusCode::kResourceExhausted);
}

// The positions of a convolution stay its own, whatever shape its values have been given before the matrix.
TEST(LowerChain, MatricesBehindAReshapeKeepTheConvolution) {
  const auto check = [](const Shape& reshaped, const OperationKind& matrix, const Shape& weight) {
    NetworkDefinition definition = ConvNetwork().definition();  // its convolution gives [2, 3, 4]
    definition.operations.push_back({"reshape", ReshapeOperation{reshaped}});
    definition.operations.push_back({"matrix", matrix});
    definition.connections.push_back({"scale", "reshape", {}});
    definition.connections.push_back({"reshape", "matrix", {}});
    definition.tensors.push_back(testing::Tensor("v", weight, Random(ElementCount(weight), 8)));
    const Result<Network> network = Network::Create(definition, {});
    ASSERT_TRUE(network.ok()) << network.status().message();
    const std::vector<Link> chain = {{1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}};
    const Result<kernels::Product> product = LowerChain(network.value(), 0, chain, {true, true}, 1 << 20);
    ASSERT_TRUE(product.ok());
    const std::vector<float> input = Random(72, 9);
    ExpectNear(Apply(product.value(), input, true), ByRows(network.value(), chain, input));
  };
  ASSERT_EQ(ConvNetwork().shape(2), (Shape{2, 3, 4}));
  check({6, 4}, AffineOperation{"v", ""}, {5, 4});
  check({3, 2, 4}, AffineOperation{"v", ""}, {5, 4});
  check({3, 2, 4}, ConvOperation{"v", "", {1, 1}, {1, 1}, {0, 0}, {0, 0}, 1}, {5, 4, 1, 1});
  check({3, 2, 4}, ConvOperation{"v", "", {2, 1}, {1, 1}, {0, 0}, {0, 0}, 1}, {5, 4, 1, 1});
  check({6, 4}, ConvOperation{"v", "", {2}, {1}, {0}, {0}, 1}, {5, 4, 1});
  check({24}, AffineOperation{"v", ""}, {5, 24});
}

TEST(LowerChain, TooManyComposedWeightsAreRefused) {
  NetworkDefinition definition = ConvNetwork().definition();
  definition.operations.push_back(
      {"again", PoolOperation{PoolKind::kAverage, {1, 2}, {1, 1}, {0, 0}, {0, 0}, false}});
  definition.connections.push_back({"conv", "again", {}});
  const Result<Network> network = Network::Create(definition, {});
  ASSERT_TRUE(network.ok()) << network.status().message();
  const std::vector<Link> chain = {{1, 0}, {2, 0}, {4, 0}};
  EXPECT_EQ(LowerChain(network.value(), 0, chain, {true, true}, 100).status().code(),
            StatusCode::kResourceExhausted);
  const Result<kernels::Product> product = LowerChain(network.value(), 0, chain, {true, true}, 1 << 20);
  ASSERT_TRUE(product.ok());
  EXPECT_EQ(product.value().kind, kernels::ProductKind::kSparse);
  const std::vector<float> input = Random(72, 4);
  ExpectNear(Apply(product.value(), input, true), ByRows(network.value(), chain, input));
}

// input [2] -> affine "first" -> affine "second", probed.
NetworkDefinition TwoAffines(double first, double bias, double second) {
  NetworkDefinition definition = testing::SingleOperation(AffineOperation{"w1", "b1"}, {2});
  definition.operations[1].name = "first";
  definition.operations.push_back({"second", AffineOperation{"w2", ""}});
  definition.connections[0].target = "first";
  definition.connections.push_back({"first", "second", {}});
  definition.probes[0].target = "second";
  definition.tensors = {testing::Tensor64("w1", {2, 2}, {first, 0, 0, first}),
                        testing::Tensor64("b1", {2}, {bias, bias}),
                        testing::Tensor64("w2", {1, 2}, {second, second})};
  return definition;
}

std::string RefusalOf(const NetworkDefinition& definition) {
  Result<Network> network = Network::Create(definition, {});
  EXPECT_TRUE(network.ok()) << network.status().message();
  const Result<Plan> plan = Compile(std::make_shared<Network>(std::move(network).value()));
  EXPECT_EQ(plan.status().code(), plan.ok() ? StatusCode::kOk : StatusCode::kInvalidArgument);
  return plan.status().message();
}

TEST(Compile, RefusesWhatOverflowsOnTheWay) {
  EXPECT_EQ(RefusalOf(TwoAffines(1e150, 0, 1e150)), "");
  EXPECT_EQ(RefusalOf(TwoAffines(1e200, 0, 1e200)),
            "the linear operations between 'input' and 'second' multiply to a weight of inf; "
            "wanted: a finite float64");
  EXPECT_EQ(RefusalOf(TwoAffines(1, 1e200, 1e200)),
            "the biases on the way to 'second' add up to inf; wanted: a finite float64");
}

TEST(Compile, CarriesBiasesForwardAndCountsSynapses) {
  auto network = std::make_shared<Network>(Network::Create(testing::SmallMlp(), {}).value());
  const Result<Plan> plan = Compile(network);
  ASSERT_TRUE(plan.ok());
  ASSERT_EQ(plan.value().layers.size(), 2U);
  EXPECT_EQ(plan.value().layers[0].constant, (std::vector<double>{10, 0, -5}));
  EXPECT_EQ(plan.value().fan_out[1], (std::vector<std::int64_t>{1, 1, 1}));
}

TEST(Compile, DyadicWeightsStayExact) {
  auto network = std::make_shared<Network>(Network::Create(testing::SmallMlp(), {}).value());
  const Result<Plan> plan = Compile(network);
  ASSERT_TRUE(plan.ok());
  const kernels::Product& product = plan.value().layers[1].terms[0].product;
  EXPECT_EQ(product.integers[2] * product.integer_unit[0], 0.25);
}

}  // namespace
}  // namespace spikeserve::engine
