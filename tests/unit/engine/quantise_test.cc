#include "server/engine/quantise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "server/engine/backend.h"
#include "server/engine/plan.h"
#include "tests/support/definitions.h"
#include "tests/support/random.h"

namespace spikeserve::engine {
namespace {

TEST(IntegerUnit, IsTheSmallestPowerOfTwoThatFits) {
  testing::Random random(1);
  for (int i = 0; i < 100000; ++i) {
    const double largest = std::exp(random.Uniform(-60, 60));
    for (const int bits : {kFastWeightBits, kWeightBits}) {
      const auto most = static_cast<double>(MaxWeight(bits));
      const double unit = IntegerUnit(largest, bits);
      int exponent = 0;
      ASSERT_EQ(std::frexp(unit, &exponent), 0.5) << largest;
      ASSERT_LE(std::nearbyint(largest / unit), most) << largest;
      ASSERT_GT(std::nearbyint(largest / (unit / 2)), most) << largest;
      ASSERT_LE(unit / 2, largest / most) << largest;
    }
  }
}

TEST(IntegerUnit, RoundingUpToTheNextPowerTakesTheNextUnit) {
  for (const int bits : {kFastWeightBits, kWeightBits}) {
    const auto top = static_cast<double>(MaxWeight(bits));
    EXPECT_EQ(IntegerUnit(top, bits), 1);
    EXPECT_EQ(IntegerUnit(top + 0.25, bits), 1);  // rounds down to what fits
    EXPECT_EQ(IntegerUnit(top + 0.5, bits), 2);   // rounds up to 2^bits: the largest error there is
    EXPECT_LE(IntegerUnit(top + 0.5, bits) / 2, (top + 0.5) / top);
    EXPECT_EQ(IntegerUnit(0, bits), 1);
  }
}

// Weights of a compiled row are off by half a unit at most, of one part in MaxWeight(bits) of the row's
// largest weight; rows are independent, so that a large one does not spoil a small one.
void ExpectCompiledRowsKeep(int bits) {
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
      Compile(std::make_shared<Network>(Network::Create(definition, {}).value()), {}, bits);
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
      ASSERT_LE(std::abs(integer), MaxWeight(bits));
      ASSERT_LE(std::abs(value - weights[row * 25 + k]), largest / static_cast<double>(MaxWeight(bits)))
          << row;
      sum += static_cast<double>(std::abs(integer));
    }
    longest = std::max(longest, sum);
  }
  EXPECT_EQ(product.max_row_sum, longest);
}

TEST(Quantise, ExactRowsKeepTwentyOneBits) { ExpectCompiledRowsKeep(kWeightBits); }

TEST(Quantise, FastRowsKeepFifteenBits) { ExpectCompiledRowsKeep(kFastWeightBits); }

// Fast mode rounds what spikes are multiplied with. What bytes of an input are multiplied with keeps its 21
// bits, and float weights stay as they are.
TEST(Quantise, FastModeRoundsOnlyBehindSpikes) {
  testing::Random random(3);
  std::vector<float> weights(16);
  for (float& weight : weights) weight = static_cast<float>(random.Uniform(-1, 1));
  NetworkDefinition definition =
      testing::SingleOperation(NeuronOperation{IntegrateAndFire{}, {}, {}, {}}, {4});
  std::get<InputOperation>(definition.operations[0].kind).uint8_scale = 1.0 / 255;
  definition.operations.insert(definition.operations.begin() + 1, {"first", AffineOperation{"w", ""}});
  definition.operations.push_back({"second", AffineOperation{"w", ""}});
  definition.connections[0].target = "first";
  definition.connections.push_back({"first", "op", {}});
  definition.connections.push_back({"op", "second", {}});
  definition.probes[0].target = "second";
  definition.tensors = {testing::Tensor("w", {4, 4}, weights)};
  const auto network = std::make_shared<Network>(Network::Create(definition, {}).value());
  const Plan exact = Compile(network, {}, SpikeWeightBits(Mode::kExact)).value();
  const Plan fast = Compile(network, {}, SpikeWeightBits(Mode::kFast)).value();
  const auto product = [](const Plan& plan, std::size_t layer) {
    return plan.layers[layer].terms[0].product;
  };
  EXPECT_EQ(product(fast, 0).integers, product(exact, 0).integers);
  EXPECT_EQ(product(fast, 0).floats, product(exact, 0).floats);
  const std::vector<std::int32_t> rounded = product(fast, 1).integers;
  const auto magnitude = [](std::int32_t a, std::int32_t b) { return std::abs(a) < std::abs(b); };
  const std::int32_t largest = std::abs(*std::max_element(rounded.begin(), rounded.end(), magnitude));
  EXPECT_LE(largest, MaxWeight(kFastWeightBits));
  EXPECT_GT(largest, MaxWeight(kFastWeightBits) / 2);
  EXPECT_GT(product(exact, 1).max_row_sum, 32 * product(fast, 1).max_row_sum);
}

}  // namespace
}  // namespace spikeserve::engine
