#include "server/engine/plan/quantise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "server/engine/plan/compile.h"
#include "tests/support/definitions.h"
#include "tests/support/random.h"

namespace spikeserve::engine {
namespace {

class LargestInteger : public ::testing::TestWithParam<std::int32_t> {};

TEST_P(LargestInteger, TheUnitIsTheSmallestPowerOfTwoThatFits) {
  const auto most = static_cast<double>(GetParam());
  testing::Random random(1);
  for (int i = 0; i < 100000; ++i) {
    const double largest = std::exp(random.Uniform(-60, 60));
    const double unit = IntegerUnit(largest, GetParam());
    int exponent = 0;
    ASSERT_EQ(std::frexp(unit, &exponent), 0.5) << largest;
    ASSERT_LE(std::nearbyint(largest / unit), most) << largest;
    ASSERT_GT(std::nearbyint(largest / (unit / 2)), most) << largest;
    ASSERT_LE(unit / 2, largest / most) << largest;
  }
}

TEST_P(LargestInteger, RoundingUpToTheNextPowerTakesTheNextUnit) {
  const auto top = static_cast<double>(GetParam());
  EXPECT_EQ(IntegerUnit(top, GetParam()), 1);
  EXPECT_EQ(IntegerUnit(top + 0.25, GetParam()), 1);  // rounds down to what fits
  EXPECT_EQ(IntegerUnit(top + 0.75, GetParam()), 2);  // rounds up beyond it
  EXPECT_EQ(IntegerUnit(0, GetParam()), 1);
}

TEST_P(LargestInteger, OfTheSmallestNumbersIsBounded) {
  for (const double largest : {5e-324, 1e-310, 2.3e-308, 1e-302, 1e-295}) {
    const double unit = IntegerUnit(largest, GetParam());
    EXPECT_TRUE(std::isfinite(1 / unit)) << largest;
    EXPECT_LE(std::nearbyint(largest / unit), GetParam()) << largest;
  }
}

// Weights of a compiled row are off by half a unit at most; rows are independent, so that a large one does
// not spoil a small one.
TEST_P(LargestInteger, CompiledRowsKeepIt) {
  testing::Random random(2);
  std::vector<float> weights(40 * 25);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double magnitude = std::pow(10.0, static_cast<double>(i / 25) - 20);
    weights[i] = i / 25 == 7 ? 0.0F : static_cast<float>(random.Uniform(-magnitude, magnitude));
  }
  NetworkDefinition definition =
      testing::SingleOperation(NeuronOperation{IntegrateAndFire{}, {}, {}, {}}, {25});
  definition.operations.push_back({"out", AffineOperation{"w", ""}});
  definition.connections.push_back({"op", "out", {}});
  definition.probes[0].target = "out";
  definition.tensors = {testing::Tensor("w", {40, 25}, weights)};
  const Result<Plan> plan =
      Compile(std::make_shared<Network>(Network::Create(definition, {}).value()), {}, GetParam());
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  const kernels::Product& product = plan.value().layers[1].terms[0].product;
  ASSERT_EQ(product.kind, kernels::ProductKind::kDense);
  double longest = 0;
  for (std::size_t row = 0; row < 40; ++row) {
    const double largest =
        std::abs(*std::max_element(weights.begin() + static_cast<std::ptrdiff_t>(row * 25),
                                   weights.begin() + static_cast<std::ptrdiff_t>(row * 25 + 25),
                                   [](float a, float b) { return std::abs(a) < std::abs(b); }));
    double sum = 0;
    for (std::size_t k = 0; k < 25; ++k) {
      const std::int64_t integer = product.integers[k * 40 + row];
      const double value = static_cast<double>(integer) * product.integer_unit[row] * product.row_scale[row];
      ASSERT_LE(std::abs(integer), GetParam());
      ASSERT_LE(std::abs(value - weights[row * 25 + k]), largest / static_cast<double>(GetParam())) << row;
      sum += static_cast<double>(std::abs(integer));
    }
    longest = std::max(longest, sum);
  }
  EXPECT_EQ(product.max_row_sum, longest);
}

INSTANTIATE_TEST_SUITE_P(Exact, LargestInteger, ::testing::Values(kExactLargestWeight));
INSTANTIATE_TEST_SUITE_P(Fast, LargestInteger, ::testing::Values(kFastLargestWeight));
INSTANTIATE_TEST_SUITE_P(Int8, LargestInteger, ::testing::Values(kInt8LargestWeight));

// Fast mode is about weights that spikes meet; those that bytes of an input meet keep their bits.
TEST(Quantise, WeightsBehindInputsKeepTheirBitsInFastMode) {
  NetworkDefinition definition = testing::SmallMlp();
  std::get<InputOperation>(definition.operations[0].kind).uint8_scale = 1.0;
  const auto network = std::make_shared<Network>(Network::Create(definition, {}).value());
  const Result<Plan> exact = Compile(network);
  const Result<Plan> fast = Compile(network, {}, kFastLargestWeight);
  ASSERT_TRUE(exact.ok() && fast.ok());
  bool behind_spikes = false;
  for (std::size_t l = 0; l < exact.value().layers.size(); ++l) {
    for (std::size_t t = 0; t < exact.value().layers[l].terms.size(); ++t) {
      const Term& wanted = exact.value().layers[l].terms[t];
      const Term& got = fast.value().layers[l].terms[t];
      const bool spiking = exact.value().populations[static_cast<std::size_t>(wanted.population)].spiking;
      behind_spikes |= spiking;
      EXPECT_EQ(got.product.integers == wanted.product.integers, !spiking);
      EXPECT_EQ(got.product.floats, wanted.product.floats);
    }
  }
  EXPECT_TRUE(behind_spikes);
}

}  // namespace
}  // namespace spikeserve::engine
