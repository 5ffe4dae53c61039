#include "server/engine/run/constants/initial_voltage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/support/definitions.h"
#include "tests/support/run.h"

namespace spikeserve::engine {
namespace {

using testing::Bytes;
using testing::Sample;

Network Neurons(InitialVoltage voltage, std::int64_t size) {
  NetworkDefinition network =
      testing::SingleOperation(NeuronOperation{IntegrateAndFire{}, {}, {}, voltage}, {size});
  network.probes = {{"voltage", "op", ProbeQuantity::kVoltage, {}}};
  std::vector<float> values(static_cast<std::size_t>(size));
  std::iota(values.begin(), values.end(), -1.0F);
  network.tensors = {testing::Tensor("v", {size}, values)};
  return Network::Create(std::move(network), {}).value();
}

std::vector<double> Uniform(std::uint64_t seed, std::int64_t layer, std::int64_t size) {
  return InitialVoltages(Neurons(ZeroVoltage{}, 3), UniformVoltage{seed}, layer, size, std::nullopt);
}

TEST(InitialVoltage, UniformFillsTheUnitInterval) {
  const std::vector<double> voltages = Uniform(7, 0, 10000);
  const auto [low, high] = std::minmax_element(voltages.begin(), voltages.end());
  EXPECT_GE(*low, 0);
  EXPECT_LT(*high, 1);
  std::vector<int> tenths(10, 0);
  for (const double voltage : voltages) {
    ++tenths[static_cast<std::size_t>(voltage * 10)];
  }
  for (const int count : tenths) {
    EXPECT_NEAR(count, 1000, 150);  // 5 standard deviations
  }
}

// A neuron's draw depends on seed, layer and index alone.
TEST(InitialVoltage, UniformIsFixedBySeedLayerAndIndex) {
  const std::vector<double> few = Uniform(7, 2, 5);
  const std::vector<double> many = Uniform(7, 2, 50);
  EXPECT_TRUE(std::equal(few.begin(), few.end(), many.begin()));
  EXPECT_NE(few, Uniform(8, 2, 5));
  EXPECT_NE(few, Uniform(7, 3, 5));
  EXPECT_NE(few, Uniform(7 + (std::uint64_t{1} << 32), 2, 5));
}

TEST(InitialVoltage, SeedOfTheRunReplacesThatOfUniformOnly) {
  const Network network = Neurons(ZeroVoltage{}, 3);
  EXPECT_EQ(InitialVoltages(network, UniformVoltage{1}, 0, 4, 9), Uniform(9, 0, 4));
  EXPECT_EQ(InitialVoltages(network, ConstantVoltage{0.25}, 0, 2, 9), (std::vector<double>{0.25, 0.25}));
  EXPECT_EQ(InitialVoltages(network, ZeroVoltage{}, 0, 2, 9), (std::vector<double>{0, 0}));
  EXPECT_EQ(InitialVoltages(network, TensorVoltage{"v"}, 0, 3, 9), (std::vector<double>{-1, 0, 1}));
}

// Voltage after one step without current is that before it.
std::vector<double> Started(InitialVoltage stored, const RunSettings& settings, Mode mode) {
  const Network network = Neurons(stored, 3);
  SimulationSpec spec;
  spec.settings = settings;
  spec.settings.steps = 1;
  spec.inputs = {{DataType::kFloat32, false}};
  spec.probes = {0};
  const Sample silent{{Bytes(std::vector<float>(3, 0))}};
  return testing::Simulate(testing::Load(network.definition(), mode), spec, {silent, silent})
      .probes[0]
      .values;
}

TEST(InitialVoltage, EverySampleStartsAsTheNetworkAndTheRunSay) {
  for (const Mode mode : {Mode::kExact, Mode::kReference}) {
    EXPECT_EQ(Started(TensorVoltage{"v"}, {}, mode), (std::vector<double>{-1, 0, 1 - 1.0, -1, 0, 0}));
    EXPECT_EQ(Started(ConstantVoltage{-3}, {}, mode), std::vector<double>(6, -3));
    RunSettings settings;
    settings.initial_voltage = ConstantVoltage{0.5};
    EXPECT_EQ(Started(TensorVoltage{"v"}, settings, mode), std::vector<double>(6, 0.5));
    settings.initial_voltage = UniformVoltage{4};
    const std::vector<double> uniform = Started(ZeroVoltage{}, settings, mode);
    EXPECT_TRUE(std::equal(uniform.begin(), uniform.begin() + 3, uniform.begin() + 3));
    EXPECT_EQ(uniform, Started(UniformVoltage{4}, {}, mode));
    settings.seed = 5;
    EXPECT_NE(uniform, Started(ZeroVoltage{}, settings, mode));
    EXPECT_EQ(Started(UniformVoltage{1}, settings, mode), Started(UniformVoltage{2}, settings, mode));
  }
}

TEST(InitialVoltage, UniformIsTheSameInBothModes) {
  EXPECT_EQ(Started(UniformVoltage{3}, {}, Mode::kExact), Started(UniformVoltage{3}, {}, Mode::kReference));
}

}  // namespace
}  // namespace spikeserve::engine
