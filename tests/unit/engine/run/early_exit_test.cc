// Early exit: where it stops, that it reports what a run of so many steps gives, and what it refuses.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "server/engine/samples/sample_simulation.h"
#include "tests/support/definitions.h"
#include "tests/support/reading_bytes.h"
#include "tests/support/run.h"

namespace spikeserve::engine {
namespace {

using testing::Bytes;
using ::testing::HasSubstr;
using testing::Sample;

SimulationSpec Spec(std::int64_t steps) {
  SimulationSpec spec;
  spec.settings.steps = steps;
  spec.inputs = {{DataType::kFloat32, false}};
  spec.probes = {0};
  return spec;
}

// Three outputs that grow apart at a speed that the input sets.
NetworkDefinition Race() {
  NetworkDefinition network = testing::SmallMlp();
  std::get<NeuronOperation>(network.operations[2].kind).gain = 30.0;
  network.tensors[2] = testing::Tensor("w1", {3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1});
  network.probes[0].synapse = Lowpass{0.005};
  return network;
}

std::vector<Sample> Samples() {
  std::vector<Sample> samples;
  for (const float x : {0.0F, 0.3F, 0.7F, 1.5F, 4.0F, -1.0F, 2.2F}) {
    samples.push_back({{Bytes(std::vector{x, 0.5F})}});
  }
  return samples;
}

class EarlyExitOf : public ::testing::TestWithParam<Mode> {};

TEST_P(EarlyExitOf, GivesWhatARunOfThatManyStepsGives) {
  const testing::Loaded loaded = testing::Load(Race(), GetParam(), 2);
  const std::vector<Sample> samples = Samples();
  SimulationSpec spec = Spec(80);
  spec.statistics = true;
  spec.early_exit = EarlyExit{0, 10, 7, 260};
  const Reading reading = testing::Simulate(loaded, spec, samples, {3, 50, 27});
  ASSERT_EQ(reading.steps_used.size(), samples.size());
  int stopped = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const std::int64_t used = reading.steps_used[i];
    EXPECT_TRUE(used == 80 || (used >= 10 && (used - 10) % 7 == 0)) << used;
    stopped += used < 80 ? 1 : 0;
    SimulationSpec plain = Spec(80);
    plain.statistics = true;
    const auto width = static_cast<std::size_t>(reading.probes[0].size);
    const auto values = std::span(reading.probes[0].values).subspan(i * width, width);
    EXPECT_TRUE(used == 80 || Margin(values) >= 260);
    for (std::int64_t check = 10; check < used; check += 7) {
      plain.settings.steps = check;
      EXPECT_LT(Margin(testing::Simulate(loaded, plain, {samples[i]}).probes[0].values), 260) << check;
    }
    plain.settings.steps = used;
    EXPECT_EQ(testing::ReadingBytes(testing::Simulate(loaded, plain, {samples[i]}), 0),
              testing::ReadingBytes(reading, i));
  }
  EXPECT_GE(stopped, 3);  // else this test says nothing
  EXPECT_LT(stopped, 7);
}

TEST_P(EarlyExitOf, IsFinishedOnceAllSamplesAre) {
  const testing::Loaded loaded = testing::Load(Race(), GetParam());
  SimulationSpec spec = Spec(100);
  spec.early_exit = EarlyExit{0, 5, 1, 0};
  const Sample sample = Samples()[3];
  const std::vector<SampleInputs> inputs{{{sample.inputs[0].data()}}};
  const auto simulation = testing::NewSimulation(*loaded.network, spec, inputs);
  ASSERT_TRUE(simulation.ok());
  ASSERT_TRUE(simulation.value()->Advance(4).ok());
  EXPECT_FALSE(simulation.value()->finished());
  ASSERT_TRUE(simulation.value()->Advance(4).ok());
  EXPECT_TRUE(simulation.value()->finished());
  EXPECT_EQ(simulation.value()->Read().value().steps_used, std::vector<std::int64_t>{5});
}

TEST_P(EarlyExitOf, RefusesWhatItCannotBeCombinedWith) {
  const testing::Loaded loaded = testing::Load(Race(), GetParam());
  const std::vector<SampleInputs> inputs{{{nullptr}}};
  const auto refusal = [&](auto change) {
    SimulationSpec spec = Spec(10);
    spec.early_exit = EarlyExit{0, 1, 1, 1};
    change(spec);
    return testing::NewSimulation(*loaded.network, spec, inputs).status().message();
  };
  EXPECT_THAT(refusal([](SimulationSpec& spec) { spec.trajectories = true; }), HasSubstr("trajectories"));
  EXPECT_THAT(refusal([](SimulationSpec& spec) { spec.early_exit->probe = 1; }),
              HasSubstr("early_exit: needs an OUTPUT probe"));
  EXPECT_THAT(refusal([](SimulationSpec& spec) { spec.early_exit->check_every = 0; }),
              HasSubstr("check_every"));
  EXPECT_THAT(refusal([](SimulationSpec& spec) { spec.early_exit->margin = std::nan(""); }),
              HasSubstr("margin"));
}

INSTANTIATE_TEST_SUITE_P(Modes, EarlyExitOf, ::testing::Values(Mode::kExact, Mode::kReference));

TEST(Margin, IsBestMinusSecondBest) {
  EXPECT_EQ(Margin(std::vector<double>{1, 5, 3}), 2);
  EXPECT_EQ(Margin(std::vector<double>{5, 5, 3}), 0);
  EXPECT_EQ(Margin(std::vector<double>{-1}), std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace spikeserve::engine
