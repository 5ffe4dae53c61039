#include "server/engine/quantise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "server/engine/plan.h"
#include "tests/support/definitions.h"
#include "tests/support/random.h"

namespace spikeserve::engine {
namespace {

TEST(IntegerUnit, IsTheSmallestPowerOfTwoThatFits) {
  testing::Random random(1);
  for (int i = 0; i < 100000; ++i) {
    const double largest = std::exp(random.Uniform(-60, 60));
    const double unit = IntegerUnit(largest);
    int exponent = 0;
    ASSERT_EQ(std::frexp(unit, &exponent), 0.5) << largest;
    ASSERT_LE(std::nearbyint(largest / unit), static_cast<double>(kMaxWeight)) << largest;
    ASSERT_GT(std::nearbyint(largest / (unit / 2)), static_cast<double>(kMaxWeight)) << largest;
  }
}

TEST(IntegerUnit, RoundingUpToTheNextPowerTakesTheNextUnit) {
  const double top = static_cast<double>(kMaxWeight);
  EXPECT_EQ(IntegerUnit(top), 1);
  EXPECT_EQ(IntegerUnit(top + 0.25), 1);  // rounds down to what fits
  EXPECT_EQ(IntegerUnit(top + 0.75), 2);  // rounds up to 2^21
  EXPECT_EQ(IntegerUnit(0), 1);
}

// Weights of a compiled row are off by half a unit at most, of 2^-21 of the row's largest weight; rows are
// independent, so that a large one does not spoil a small one.
TEST(Quantise, CompiledRowsKeepTwentyOneBits) {
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
  const Result<Plan> plan = Compile(std::make_shared<Network>(Network::Create(definition, {}).value()));
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
      ASSERT_LE(std::abs(integer), kMaxWeight);
      ASSERT_LE(std::abs(value - weights[row * 25 + k]), largest * 0x1p-21) << row;
      sum += static_cast<double>(std::abs(integer));
    }
    longest = std::max(longest, sum);
  }
  EXPECT_EQ(product.max_row_sum, longest);
}

}  // namespace
}  // namespace spikeserve::engine
