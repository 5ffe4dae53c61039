// Encoded inputs in whole runs: what they are worth, and that a sample depends on its number alone.

#include "server/engine/run/encoding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/definitions.h"
#include "tests/support/reading_bytes.h"
#include "tests/support/run.h"

namespace spikeserve::engine {
namespace {

using testing::Bytes;
using ::testing::HasSubstr;
using testing::Sample;

const Encoding kPoisson{EncodingKind::kPoisson, 1000, 0, 0, 0, 0};
const Encoding kBernoulli{EncodingKind::kBernoulli, 500, 0, 0, 0, 0};
const Encoding kRegular{EncodingKind::kRegular, 250, 0, 0, 0, 0};
const Encoding kLatency{EncodingKind::kLatency, 0, 10, 0, 0, 0};
const Encoding kBurst{EncodingKind::kBurst, 0, 20, 4, 1, 5};
const Encoding kAll[] = {kPoisson, kBernoulli, kRegular, kLatency, kBurst};

SimulationSpec Spec(const Encoding& encoding, std::int64_t steps) {
  SimulationSpec spec;
  spec.settings.steps = steps;
  spec.settings.seed = 7;
  spec.inputs = {{DataType::kFloat32, false, encoding}};
  spec.probes = {0};
  return spec;
}

// Two inputs through two spiking layers to a readout.
NetworkDefinition Deep() {
  NetworkDefinition network = testing::SmallMlp();
  std::get<NeuronOperation>(network.operations[2].kind).gain = 60.0;
  network.operations.push_back({"second", NeuronOperation{SpikingRectifiedLinear{}, {}, {}, {}}});
  network.operations.push_back({"top", AffineOperation{"w2", ""}});
  network.connections.push_back({"output", "second", Lowpass{0.004}});
  network.connections.back().source = "spikes";
  network.connections.push_back({"second", "top", {}});
  network.probes.push_back({"top", "top", ProbeQuantity::kOutput, {}});
  network.tensors.push_back(testing::Tensor("w2", {2, 3}, {1, 0.5F, -1, 2, 0.25F, 1}));
  return network;
}

class Encoded : public ::testing::TestWithParam<Mode> {};

// The mean of an encoded input is its value, except for latency, where it is 1 for whatever spikes.
TEST_P(Encoded, InputHasTheMeanOfItsValue) {
  const NetworkDefinition network = testing::SingleOperation(WeightedSumOperation{{1}}, {2});
  const testing::Loaded loaded = testing::Load(network, GetParam());
  for (const Encoding& encoding : kAll) {
    constexpr int kSteps = 4000;
    const Sample sample{{Bytes(std::vector{0.5F, 1.0F})}};
    const std::vector<double> values =
        testing::Simulate(loaded, Spec(encoding, kSteps), {sample}).probes[0].values;
    const bool random = encoding.kind == EncodingKind::kPoisson || encoding.kind == EncodingKind::kBernoulli;
    for (std::size_t j = 0; j < 2; ++j) {
      const double x = encoding.kind == EncodingKind::kLatency || j == 1 ? 1 : 0.5;
      const double worth = 1 / SpikesAtOne(encoding, 0.001);
      const double deviation = random ? std::sqrt(x * worth / kSteps) : worth / kSteps;  // at most
      EXPECT_NEAR(values[j], x, 4 * deviation + 1e-6) << static_cast<int>(encoding.kind) << ", " << j;
    }
  }
}

Sample Random(std::uint32_t number) {
  const float a = static_cast<float>(number * 37 % 101) / 101;
  const float b = static_cast<float>(number * 59 % 103) / 103;
  return {{Bytes(std::vector{a, b})}};
}

// By bytes: alone or among others in any order, in chunks, with threads, by fast and by plain loops.
TEST_P(Encoded, SampleDependsOnItsNumberAlone) {
  constexpr std::size_t kSamples = 7;
  std::vector<Sample> samples;
  for (std::uint32_t i = 0; i < kSamples; ++i) {
    samples.push_back(Random(i));
  }
  const testing::Loaded plain = testing::Load(Deep(), GetParam(), 1, CpuPath::kPlain);
  const testing::Loaded fast = testing::Load(Deep(), GetParam(), 2);
  for (const Encoding& encoding : kAll) {
    SimulationSpec spec = Spec(encoding, 90);
    spec.probes = {1};
    spec.statistics = true;
    const Reading together = testing::Simulate(plain, spec, samples);
    const std::size_t order[kSamples] = {3, 0, 6, 5, 1, 4, 2};
    std::vector<SampleInputs> shuffled;
    for (const std::size_t i : order) {
      shuffled.push_back({{samples[i].inputs[0].data()}, static_cast<std::int64_t>(i)});
    }
    const auto simulation = testing::NewSimulation(*fast.network, spec, shuffled);
    ASSERT_TRUE(simulation.ok()) << simulation.status().message();
    for (const std::int64_t steps : {1, 40, 7, 42}) {
      ASSERT_TRUE(simulation.value()->Advance(steps).ok());
    }
    const Result<Reading> reading = simulation.value()->Read();
    ASSERT_TRUE(reading.ok());
    for (std::size_t at = 0; at < kSamples; ++at) {
      EXPECT_EQ(testing::ReadingBytes(reading.value(), at), testing::ReadingBytes(together, order[at]))
          << static_cast<int>(encoding.kind) << ", sample " << order[at];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, Encoded, ::testing::Values(Mode::kExact, Mode::kReference));

TEST(Encodings, OtherSeedsAndSamplesDrawOtherNumbers) {
  const testing::Loaded loaded =
      testing::Load(testing::SingleOperation(WeightedSumOperation{{1}}, {2}), Mode::kExact);
  SimulationSpec spec = Spec(kPoisson, 100);
  const Sample sample{{Bytes(std::vector{0.5F, 0.5F})}};
  const Reading first = testing::Simulate(loaded, spec, {sample});
  EXPECT_NE(first.probes[0].values[0], first.probes[0].values[1]);
  const std::vector<SampleInputs> other{{{sample.inputs[0].data()}, 1}};
  const auto simulation = testing::NewSimulation(*loaded.network, spec, other);
  ASSERT_TRUE(simulation.ok() && simulation.value()->Advance(100).ok());
  EXPECT_NE(simulation.value()->Read().value().probes[0].values, first.probes[0].values);
  spec.settings.seed = 8;
  EXPECT_NE(testing::Simulate(loaded, spec, {sample}).probes[0].values, first.probes[0].values);
}

TEST(Encodings, ParametersOutOfRangeAreNamed) {
  const auto problem = [](const Encoding& encoding) { return EncodingProblem(encoding, 0.001).value_or(""); };
  EXPECT_THAT(problem({}), HasSubstr("kind"));
  EXPECT_THAT(problem({EncodingKind::kPoisson, -1, 0, 0, 0, 0}), HasSubstr("max_rate_hz: got -1"));
  EXPECT_THAT(problem({EncodingKind::kRegular, std::nan(""), 0, 0, 0, 0}), HasSubstr("max_rate_hz: got nan"));
  EXPECT_THAT(problem({EncodingKind::kLatency, 0, 0, 0, 0, 0}), HasSubstr("window_steps: got 0"));
  EXPECT_THAT(problem({EncodingKind::kBurst, 0, 10, 11, 1, 1}),
              HasSubstr("max_spikes: got 11, allowed 1..10"));
  EXPECT_THAT(problem({EncodingKind::kBurst, 0, 10, 5, 0, 1}), HasSubstr("min_gap: got 0"));
  EXPECT_THAT(problem({EncodingKind::kBurst, 0, 10, 5, 3, 2}), HasSubstr("max_gap: got 2, allowed 3..10"));
  for (const Encoding& encoding : kAll) {
    EXPECT_EQ(problem(encoding), "");
  }
}

}  // namespace
}  // namespace spikeserve::engine
