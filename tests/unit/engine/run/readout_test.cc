// How the steps of a probe become one answer, against closed forms; and what a run refuses.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/definitions.h"
#include "tests/support/run.h"

namespace spikeserve::engine {
namespace {

using ::testing::AllOf;
using testing::Bytes;
using ::testing::HasSubstr;
using testing::Loaded;
using testing::Sample;

class ReadoutOf : public ::testing::TestWithParam<Mode> {
 protected:
  double tolerance() const { return GetParam() == Mode::kExact ? 2e-6 : 1e-12; }

  SimulationSpec Spec(ReadoutKind kind, std::int64_t steps, std::int64_t skip) const {
    SimulationSpec spec;
    spec.settings.steps = steps;
    spec.settings.readout = {kind, skip};
    spec.inputs = {{DataType::kFloat64, false}};
    spec.probes = {0};
    return spec;
  }

  std::vector<double> Read(const NetworkDefinition& network, const SimulationSpec& spec, double input) const {
    return testing::Simulate(testing::Load(network, GetParam()), spec, {Sample{{Bytes(std::vector{input})}}})
        .probes[0]
        .values;
  }
};

// An Input held at 2, read through a low-pass: y(n) = 2 (1 - a^(n-1)).
NetworkDefinition Filtered(double tau) {
  NetworkDefinition network = testing::SingleOperation(WeightedSumOperation{{1}}, {1});
  network.probes[0].synapse = Lowpass{tau};
  return network;
}

TEST_P(ReadoutOf, FilteredConstantHasItsClosedForm) {
  const double a = std::exp(-0.001 / 0.008);
  for (const std::int64_t skip : {0, 1, 7, 29}) {
    const auto counted = static_cast<double>(30 - skip);
    const double mean = 2 * (1 - (std::pow(a, skip) - std::pow(a, 30)) / (1 - a) / counted);
    EXPECT_NEAR(Read(Filtered(0.008), Spec(ReadoutKind::kMean, 30, skip), 2)[0], mean, tolerance()) << skip;
  }
  EXPECT_NEAR(Read(Filtered(0.008), Spec(ReadoutKind::kLast, 30, 0), 2)[0], 2 * (1 - std::pow(a, 29)),
              tolerance());
}

// A neuron that spikes at every fourth step, weighted: 3 * 1/dt in those steps, plus a bias.
NetworkDefinition EveryFourthStep() {
  NetworkDefinition network =
      testing::SingleOperation(NeuronOperation{SpikingRectifiedLinear{}, {}, {}, {}}, {1});
  network.operations.push_back({"out", AffineOperation{"w", "b"}});
  network.connections.push_back({"op", "out", {}});
  network.probes[0].target = "out";
  network.tensors = {testing::Tensor("w", {2, 1}, {3, -0.5F}), testing::Tensor("b", {2}, {0.25F, 0})};
  return network;
}

TEST_P(ReadoutOf, MeanOfSpikesCountsThemAfterTheSkippedSteps) {
  for (const std::int64_t skip : {0, 3, 4, 15}) {
    SimulationSpec spec = Spec(ReadoutKind::kMean, 16, skip);
    spec.settings.dt_s = 1.0 / 1024;
    const double spikes = 4 - static_cast<double>(skip / 4);
    const std::vector<double> values = Read(EveryFourthStep(), spec, 256);
    const double rate = spikes * 1024 / static_cast<double>(16 - skip);
    EXPECT_NEAR(values[0], 3 * rate + 0.25, 3 * rate * 1e-6) << skip;
    EXPECT_NEAR(values[1], -0.5 * rate, rate * 1e-6) << skip;
  }
}

TEST_P(ReadoutOf, LastIsTheLastStep) {
  SimulationSpec spec = Spec(ReadoutKind::kLast, 16, 0);
  spec.settings.dt_s = 1.0 / 1024;
  EXPECT_EQ(Read(EveryFourthStep(), spec, 256)[0], 3 * 1024 + 0.25);
  spec.settings.steps = 15;
  EXPECT_EQ(Read(EveryFourthStep(), spec, 256)[0], 0.25);
}

// Softmax and leaky ReLU act on each step, so the mean is of their outputs.
TEST_P(ReadoutOf, ActivationsActOnEachStep) {
  NetworkDefinition network = EveryFourthStep();
  network.tensors[0] = testing::Tensor("w", {2, 1}, {1.0F / 1024, -2.0F / 1024});
  network.tensors[1] = testing::Tensor("b", {2}, {0, 0});
  network.operations.push_back({"softmax", ActivationOperation{Softmax{}}});
  network.operations.push_back({"leaky", ActivationOperation{LeakyRelu{0.125}}});
  network.connections.push_back({"out", "softmax", {}});
  network.connections.push_back({"out", "leaky", {}});
  network.probes = {{"softmax", "softmax", ProbeQuantity::kOutput, {}}};
  SimulationSpec spec = Spec(ReadoutKind::kMean, 16, 0);
  spec.settings.dt_s = 1.0 / 1024;
  const double spiking = 1 / (1 + std::exp(-3.0));
  EXPECT_NEAR(Read(network, spec, 256)[0], 0.75 * 0.5 + 0.25 * spiking, tolerance());
  network.probes[0].target = "leaky";
  EXPECT_NEAR(Read(network, spec, 256)[0], 0.25, tolerance());
  EXPECT_NEAR(Read(network, spec, 256)[1], -0.25 * 2 * 0.125, tolerance());
}

// Reading on the way gives the readout so far, zeros before the first step that counts.
TEST_P(ReadoutOf, ReadingOnTheWayIsTheReadoutSoFar) {
  const Loaded loaded = testing::Load(EveryFourthStep(), GetParam());
  SimulationSpec spec = Spec(ReadoutKind::kMean, 16, 4);
  spec.settings.dt_s = 1.0 / 1024;
  const std::vector<std::byte> input = Bytes(std::vector{256.0});
  const SampleInputs sample{{input.data()}};
  auto simulation = testing::NewSimulation(*loaded.network, spec, std::span(&sample, 1));
  ASSERT_TRUE(simulation.ok());
  const double expected[] = {0, 0, 0, 0, 0, 0, 0, 1024.0 / 4, 1024.0 / 5};
  for (std::int64_t step = 1; step <= 9; ++step) {
    ASSERT_TRUE(simulation.value()->Advance(1).ok());
    const Result<Reading> reading = simulation.value()->Read();
    ASSERT_TRUE(reading.ok());
    EXPECT_EQ(reading.value().steps_done, step);
    const double rate = expected[step - 1];
    EXPECT_NEAR(reading.value().probes[0].values[1], -0.5 * rate, 1e-6 * rate + 1e-12) << step;
  }
}

TEST_P(ReadoutOf, RefusesRunsOutsideTheRules) {
  const Loaded loaded = testing::Load(EveryFourthStep(), GetParam());
  const std::vector<std::byte> input = Bytes(std::vector{256.0});
  const SampleInputs sample{{input.data()}};
  const auto refusal = [&](const SimulationSpec& spec, const SampleInputs& inputs) {
    const Status status = testing::NewSimulation(*loaded.network, spec, std::span(&inputs, 1)).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    return status.message();
  };
  EXPECT_THAT(refusal(Spec(ReadoutKind::kMean, 0, 0), sample), HasSubstr("steps: got 0"));
  EXPECT_THAT(refusal(Spec(ReadoutKind::kMean, 10, 10), sample),
              HasSubstr("skip_steps: got 10, allowed 0..9, below the 10 steps"));
  EXPECT_THAT(refusal(Spec(ReadoutKind::kMean, 10, -1), sample), HasSubstr("skip_steps: got -1"));
  EXPECT_THAT(refusal(Spec(ReadoutKind::kMean, 10, 0), {}),
              HasSubstr("inputs: wanted one for each of the 1"));
  SimulationSpec spec = Spec(ReadoutKind::kMean, 10, 0);
  spec.probes = {1};
  EXPECT_THAT(refusal(spec, sample), HasSubstr("probe index: got 1, the network has 1"));
  spec.probes = {0};
  for (const double dt : {0.0, -0.001, std::nan(""), HUGE_VAL}) {
    spec.settings.dt_s = dt;
    EXPECT_THAT(refusal(spec, sample), AllOf(HasSubstr("dt: got "), HasSubstr(" s, allowed "))) << dt;
  }
}

TEST_P(ReadoutOf, RefusesMoreStepsThanRemain) {
  const Loaded loaded = testing::Load(EveryFourthStep(), GetParam());
  const std::vector<std::byte> input = Bytes(std::vector{256.0});
  const SampleInputs sample{{input.data()}};
  auto simulation =
      testing::NewSimulation(*loaded.network, Spec(ReadoutKind::kMean, 10, 0), std::span(&sample, 1));
  ASSERT_TRUE(simulation.ok());
  EXPECT_EQ(simulation.value()->Advance(0).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(simulation.value()->Advance(7).ok());
  EXPECT_THAT(simulation.value()->Advance(4).message(), HasSubstr("steps: got 4, 3 remain"));
  EXPECT_TRUE(simulation.value()->Advance(3).ok());
  EXPECT_THAT(simulation.value()->Advance(1).message(), HasSubstr("0 remain"));
}

TEST_P(ReadoutOf, StopsBetweenSamples) {
  const Loaded loaded = testing::Load(EveryFourthStep(), GetParam());
  const std::vector<std::byte> input = Bytes(std::vector{256.0});
  const std::vector<SampleInputs> samples(20, SampleInputs{{input.data()}});
  auto simulation = testing::NewSimulation(*loaded.network, Spec(ReadoutKind::kMean, 10, 0), samples);
  ASSERT_TRUE(simulation.ok());
  int asked = 0;
  const auto stopped = [&asked] { return ++asked > 3; };
  EXPECT_EQ(simulation.value()->Advance(7, stopped).code(), StatusCode::kCancelled);
  EXPECT_EQ(asked, 4);
}

// What a sample cannot compute is told for that sample alone.
TEST_P(ReadoutOf, NumbersOutOfRangeStayWithTheirSample) {
  NetworkDefinition network = EveryFourthStep();
  const Loaded loaded = testing::Load(network, GetParam());
  const auto sample = [](double value) { return Sample{{Bytes(std::vector{value})}}; };
  SimulationSpec spec = Spec(ReadoutKind::kMean, 16, 0);
  spec.settings.dt_s = 1.0 / 1024;
  const Reading alone = testing::Simulate(loaded, spec, {sample(256)});
  const Reading reading =
      testing::Simulate(loaded, spec, {sample(1e308), sample(256), sample(-1e308), sample(1e30)});
  EXPECT_EQ(reading.sample_status[0].code(), StatusCode::kOutOfRange);
  EXPECT_TRUE(reading.sample_status[2].ok()) << reading.sample_status[2].message();  // only ever silent
  if (GetParam() == Mode::kExact) {                                                  // float32 counts to 2^24
    EXPECT_THAT(reading.sample_status[0].message(), HasSubstr("layer 'op'"));
    EXPECT_EQ(reading.sample_status[3].code(), StatusCode::kOutOfRange);
  }
  ASSERT_TRUE(reading.sample_status[1].ok());
  EXPECT_EQ(reading.probes[0].values[2], alone.probes[0].values[0]);
  EXPECT_EQ(reading.probes[0].values[3], alone.probes[0].values[1]);
}

INSTANTIATE_TEST_SUITE_P(Modes, ReadoutOf, ::testing::Values(Mode::kReference, Mode::kExact),
                         [](const auto& row) { return row.param == Mode::kExact ? "Exact" : "Reference"; });

}  // namespace
}  // namespace spikeserve::engine
