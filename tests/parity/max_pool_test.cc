// Pools of kind MAX: against the largest mean that plain loops find, and in every form of a run by bytes.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "tests/support/cpu_targets.h"
#include "tests/support/definitions.h"
#include "tests/support/memory_chains.h"
#include "tests/support/random.h"
#include "tests/support/reading_bytes.h"
#include "tests/support/run.h"

namespace spikeserve::testing {
namespace {

using engine::CpuPath;
using engine::Mode;
using engine::Reading;

constexpr std::int64_t kSide = 7, kChannels = 3, kSteps = 37;

engine::PoolOperation Pool(std::int64_t window, std::int64_t stride, std::int64_t pad) {
  return {engine::PoolKind::kMax, {window, window}, {stride, stride}, {pad, pad}, {pad, pad}, false};
}

engine::NeuronOperation Neurons(double gain, double slope) {
  return {engine::MemoryRectifiedLinear{0.01, std::nullopt, slope}, gain, {}, engine::ConstantVoltage{0.5}};
}

engine::OperationDefinition Image(const std::string& name) {
  return {name, engine::InputOperation{{kSide, kSide, kChannels}, {}, {}}};
}

std::vector<Sample> Images(std::size_t inputs) {
  Random random(11);
  std::vector<Sample> samples(2);
  for (Sample& sample : samples) {
    for (std::size_t i = 0; i < inputs; ++i) {
      sample.inputs.push_back(Bytes(random.Floats(kSide * kSide * kChannels, -1, 1)));
    }
  }
  return samples;
}

engine::SimulationSpec Spec(std::size_t inputs) {
  engine::SimulationSpec spec;
  spec.settings.steps = kSteps;
  spec.inputs.resize(inputs);
  spec.probes = {0};
  spec.statistics = true;
  return spec;
}

// What the probe of all forms of a run says.
std::vector<double> SameInAllForms(const engine::NetworkDefinition& network, std::size_t inputs) {
  const std::vector<Sample> samples = Images(inputs);
  engine::SimulationSpec spec = Spec(inputs);
  const Reading closed = Simulate(Load(network, Mode::kExact), spec, samples);
  const Reading oracle = Simulate(Load(network, Mode::kReference), spec, samples);
  for (std::size_t i = 0; i < closed.probes[0].values.size(); ++i) {
    EXPECT_NEAR(closed.probes[0].values[i], oracle.probes[0].values[i], 0.02) << i;
  }
  spec.trajectories = true;
  const Reading steps = Simulate(Load(network, Mode::kExact, 1, CpuPath::kPlain), spec, samples);
  OnEveryCpuTarget([&] {
    for (const bool trajectories : {false, true}) {
      spec.trajectories = trajectories;
      Reading got = Simulate(Load(network, Mode::kExact), spec, samples);
      for (std::size_t s = 0; s < samples.size(); ++s) {
        Reading told = steps;
        if (!trajectories) {
          told.probes[0].trajectory.clear();
        }
        EXPECT_TRUE(ReadingBytes(got, s) == ReadingBytes(told, s)) << s << trajectories;
      }
    }
  });
  return closed.probes[0].values;
}

// A mean of the neurons of pixel (y, x) where there is one, by its definition.
double MeanAt(const std::vector<float>& image, std::int64_t y, std::int64_t x, std::int64_t c,
              bool rectified) {
  const double value = image[static_cast<std::size_t>((y * kSide + x) * kChannels + c)];
  return rectified ? std::max(value, 0.0) : value;
}

struct Case {
  std::int64_t window, stride, pad;
  double slope;
  std::int64_t zeros;  // rows and columns of zeros around the image
};

class MaxPool : public ::testing::TestWithParam<Case> {};

TEST_P(MaxPool, IsTheLargestMeanUnderItsWindow) {
  const Case& in = GetParam();
  std::vector<engine::OperationDefinition> operations = {Image("input"), {"spikes", Neurons(1e5, in.slope)}};
  if (in.zeros > 0) {
    operations.push_back({"zeros", engine::PadOperation{{in.zeros, in.zeros, 0}, {in.zeros, in.zeros, 0}}});
  }
  operations.push_back({"pool", Pool(in.window, in.stride, in.pad)});
  engine::NetworkDefinition network = ChainOf(operations);
  const std::vector<double> got = SameInAllForms(network, 1);
  const std::vector<Sample> samples = Images(1);
  const std::int64_t side = kSide + 2 * in.zeros;
  const std::int64_t out = (side + 2 * in.pad - in.window) / in.stride + 1;
  ASSERT_EQ(static_cast<std::int64_t>(got.size()), 2 * out * out * kChannels);
  std::size_t at = 0;
  for (const Sample& sample : samples) {
    std::vector<float> image(static_cast<std::size_t>(kSide * kSide * kChannels));
    std::memcpy(image.data(), sample.inputs[0].data(), sample.inputs[0].size());
    for (std::int64_t cell = 0; cell < out * out; ++cell) {
      for (std::int64_t c = 0; c < kChannels; ++c) {
        double most = -1e9;
        for (std::int64_t tap = 0; tap < in.window * in.window; ++tap) {
          const std::int64_t y = cell / out * in.stride + tap / in.window - in.pad;
          const std::int64_t x = cell % out * in.stride + tap % in.window - in.pad;
          if (y < 0 || y >= side || x < 0 || x >= side) {
            continue;
          }
          const std::int64_t iy = y - in.zeros, ix = x - in.zeros;
          const bool inside = iy >= 0 && iy < kSide && ix >= 0 && ix < kSide;
          most = std::max(most, inside ? MeanAt(image, iy, ix, c, in.slope == 0) : 0.0);
        }
        // 1e5 Hz times 0.01 is 1000 times the mean; half a spike of 0.01 / dt in kSteps.
        EXPECT_NEAR(got[at++], 1000 * most, 10.0 / 2 / kSteps + 1e-3) << cell << " " << c;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Windows, MaxPool,
                         ::testing::Values(Case{2, 2, 0, 0, 0}, Case{3, 2, 1, 0, 0}, Case{3, 1, 1, 1, 0},
                                           Case{3, 2, 0, 1, 1}, Case{2, 1, 0, 1, 2}, Case{3, 2, 0, 0, 1},
                                           Case{kSide, 1, 0, 0, 0}, Case{kSide, 1, 0, 1, 0}));

TEST(MaxPoolOfBranches, JoinsWhatHasOneAmplitude) {
  engine::NetworkDefinition network;
  network.format_version = 1;
  network.operations = {Image("a"),
                        Image("b"),
                        {"first", Neurons(1e5, 0)},
                        {"second", Neurons(2e4, 1)},
                        {"both", engine::ConcatOperation{2}},
                        {"turned", engine::PermuteOperation{{1, 0, 2}}},
                        {"pool", Pool(2, 2, 0)},
                        {"again", Pool(3, 1, 1)}};
  network.connections = {{"a", "first", {}},     {"b", "second", {}},    {"first", "both", {}},
                         {"second", "both", {}}, {"both", "turned", {}}, {"turned", "pool", {}},
                         {"pool", "again", {}}};
  network.probes = {{"output", "again", engine::ProbeQuantity::kOutput, {}}};
  const std::vector<double> got = SameInAllForms(network, 2);
  EXPECT_GT(*std::max_element(got.begin(), got.end()), 100);
}

}  // namespace
}  // namespace spikeserve::testing
