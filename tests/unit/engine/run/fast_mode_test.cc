// The bound that docs/semantics.md states for the weights that spikes meet, on what a run answers.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/support/definitions.h"
#include "tests/support/random.h"
#include "tests/support/run.h"

namespace spikeserve::engine {
namespace {

constexpr std::size_t kIn = 40;
constexpr std::size_t kOut = 30;
constexpr std::size_t kSteps = 25;
constexpr double kRate = 1024;  // steps per second

// kIn neurons behind an input, and kOut weighted sums of their spikes; both probed.
NetworkDefinition WeightedSpikes(const std::vector<float>& weights) {
  NetworkDefinition network = testing::SingleOperation(NeuronOperation{SpikingRectifiedLinear{}, {}, {}, {}},
                                                       {static_cast<std::int64_t>(kIn)});
  network.operations.push_back({"out", AffineOperation{"w", ""}});
  network.connections.push_back({"op", "out", {}});
  network.probes = {{"spikes", "op", ProbeQuantity::kSpikes, {}}, {"out", "out", ProbeQuantity::kOutput, {}}};
  network.tensors = {testing::Tensor("w", {kOut, kIn}, weights)};
  return network;
}

// How far the sums of each row and step are from those with the weights as they were given, as a share of
// largest weight of the row times spikes: the largest of all.
double LargestError(Mode mode) {
  testing::Random random(5);
  std::vector<float> weights;
  for (std::size_t i = 0; i < kOut * kIn; ++i) {  // rows of all magnitudes
    const double magnitude = std::pow(10.0, static_cast<double>(i / kIn) / 3 - 5);
    weights.push_back(static_cast<float>(random.Uniform(-magnitude, magnitude)));
  }
  SimulationSpec spec;
  spec.settings.steps = kSteps;
  spec.settings.dt_s = 1 / kRate;
  spec.inputs = {{DataType::kFloat32, false}};
  spec.probes = {0, 1};
  spec.trajectories = true;
  const std::vector<float> input = random.Floats(kIn, 0, 3 * kRate);
  const Reading reading =
      testing::Simulate(testing::Load(WeightedSpikes(weights), mode), spec, {{{testing::Bytes(input)}}});
  double error = 0;
  for (std::size_t step = 0; step < kSteps; ++step) {
    for (std::size_t row = 0; row < kOut; ++row) {
      double sum = 0;
      double spikes = 0;
      double largest = 0;
      for (std::size_t k = 0; k < kIn; ++k) {
        const double count = reading.probes[0].trajectory[step * kIn + k];
        sum += weights[row * kIn + k] * count * kRate;
        spikes += count;
        largest = std::max<double>(largest, std::abs(weights[row * kIn + k]));
      }
      EXPECT_GT(spikes, 0);
      const double got = reading.probes[1].trajectory[step * kOut + row];
      const double rounding = std::abs(sum) * 0x1p-22;  // of the sum and of its scale, to float32
      error = std::max(error, (std::abs(got - sum) - rounding) / (largest * spikes * kRate));
    }
  }
  return error;
}

TEST(FastMode, SumsKeepTheStatedBound) {
  EXPECT_LE(LargestError(Mode::kExact), 1.0 / 2097151);
  const double fast = LargestError(Mode::kFast);
  EXPECT_LE(fast, 1.0 / 32639);
  EXPECT_GT(fast, 1.0 / 2097151);  // it is fast mode that was run
  const double int8 = LargestError(Mode::kInt8);
  EXPECT_LE(int8, 1.0 / 127);
  EXPECT_GT(int8, 1.0 / 32639);
}

}  // namespace
}  // namespace spikeserve::engine
