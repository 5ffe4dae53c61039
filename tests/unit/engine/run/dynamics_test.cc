// Time steps of neurons, synapses and probes against values worked out by hand or computed from the
// definitions in float64, in both modes.

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/support/definitions.h"
#include "tests/support/run.h"

namespace spikeserve::engine {
namespace {

using testing::Bytes;
using testing::Sample;
using testing::SingleOperation;

constexpr double kDyadicDt = 1.0 / 1024;  // keeps sums of dyadic currents exact

class Dynamics : public ::testing::TestWithParam<Mode> {
 protected:
  // Trajectories of all probes, for one sample with this input, held or per step.
  Reading Trajectories(const NetworkDefinition& network, const std::vector<double>& input, std::int64_t steps,
                       double dt, bool per_step = false) {
    SimulationSpec spec;
    spec.settings.steps = steps;
    spec.settings.dt_s = dt;
    spec.inputs = {{DataType::kFloat64, per_step}};
    spec.trajectories = true;
    for (std::size_t i = 0; i < network.probes.size(); ++i) {
      spec.probes.push_back(static_cast<std::int64_t>(i));
    }
    return testing::Simulate(testing::Load(network, GetParam()), spec, {Sample{{Bytes(input)}}});
  }

  bool exact() const { return GetParam() == Mode::kExact; }
};

// input [size] -> neurons, whose spikes and voltage are probed.
NetworkDefinition Neurons(NeuronModel model, InitialVoltage voltage, std::int64_t size) {
  NetworkDefinition network = SingleOperation(NeuronOperation{model, {}, {}, voltage}, {size});
  network.probes = {{"spikes", "op", ProbeQuantity::kSpikes, {}},
                    {"voltage", "op", ProbeQuantity::kVoltage, {}},
                    {"output", "op", ProbeQuantity::kOutput, {}}};
  return network;
}

// Element `j` of every step.
std::vector<double> Column(const ProbeReading& probe, std::size_t j) {
  std::vector<double> column;
  for (std::size_t i = j; i < probe.trajectory.size(); i += static_cast<std::size_t>(probe.size)) {
    column.push_back(probe.trajectory[i]);
  }
  return column;
}

TEST_P(Dynamics, SpikingRectifiedLinearCarriesTheRest) {
  const NetworkDefinition network = Neurons(SpikingRectifiedLinear{}, ConstantVoltage{0.25}, 4);
  const Reading reading = Trajectories(network, {-50, 0, 333.25, 2500.5}, 6, 0.001);
  EXPECT_EQ(Column(reading.probes[0], 0), std::vector<double>(6, 0));
  EXPECT_EQ(Column(reading.probes[0], 1), std::vector<double>(6, 0));
  EXPECT_EQ(Column(reading.probes[0], 2), (std::vector<double>{0, 0, 1, 0, 0, 1}));
  EXPECT_EQ(Column(reading.probes[0], 3), (std::vector<double>{2, 3, 2, 3, 2, 3}));
  const double voltages[] = {0.25, 0.25, 0.2495, 0.253};
  for (std::size_t j = 0; j < 4; ++j) {
    EXPECT_NEAR(Column(reading.probes[1], j).back(), voltages[j], exact() ? 2e-6 : 1e-12);
    EXPECT_NEAR(Column(reading.probes[2], j).back(), Column(reading.probes[0], j).back() * 1000, 1e-3);
  }
}

// With a dyadic dt every sum is exact: after n steps a neuron has spiked floor(v0 + n J dt) times.
TEST_P(Dynamics, SpikeCountsOfConstantCurrentsAreFloors) {
  const std::vector<double> currents = {3, 100.25, 512, 1024, 1536, 5000.75};
  const NetworkDefinition network = Neurons(SpikingRectifiedLinear{}, ConstantVoltage{0.375}, 6);
  const Reading reading = Trajectories(network, currents, 300, kDyadicDt);
  for (std::size_t j = 0; j < currents.size(); ++j) {
    double spikes = 0;
    const std::vector<double> counts = Column(reading.probes[0], j);
    for (std::size_t n = 1; n <= counts.size(); ++n) {
      spikes += counts[n - 1];
      ASSERT_EQ(spikes, std::floor(0.375 + static_cast<double>(n) * currents[j] * kDyadicDt))
          << j << " step " << n;
    }
  }
}

// v += J dt with either sign; a neuron in debt stays silent until it is paid.
TEST_P(Dynamics, IntegrateAndFireRemembersNegativeCurrents) {
  std::vector<double> input;
  for (int n = 0; n < 200; ++n) {
    input.push_back(((n * 37) % 64 - 24) * 128.0);
  }
  const Reading reading =
      Trajectories(Neurons(IntegrateAndFire{}, ZeroVoltage{}, 1), input, 200, kDyadicDt, true);
  double v = 0;
  for (std::size_t n = 0; n < input.size(); ++n) {
    v += input[n] * kDyadicDt;
    const double spikes = std::max(std::floor(v), 0.0);
    v -= spikes;
    ASSERT_EQ(reading.probes[0].trajectory[n], spikes) << "step " << n;
    ASSERT_EQ(reading.probes[1].trajectory[n], v) << "step " << n;
  }
}

// Nengo's defaults over a second of 1 ms steps.
TEST_P(Dynamics, LifCountsAndFirstSpikes) {
  const std::vector<double> currents = {1.5, 2, 10, 50};
  const std::vector<double> counts = {41, 63, 243, 416};
  const std::vector<std::size_t> first = {22, 14, 3, 1};
  const Reading reading = Trajectories(Neurons(Lif{}, ZeroVoltage{}, 4), currents, 1000, 0.001);
  for (std::size_t j = 0; j < currents.size(); ++j) {
    const double rate = 1 / (0.002 + 0.02 * std::log1p(1 / (currents[j] - 1)));
    double spikes = 0;
    std::size_t first_spike = 0;
    const std::vector<double> column = Column(reading.probes[0], j);
    for (std::size_t n = 1; n <= column.size(); ++n) {
      spikes += column[n - 1];
      first_spike = first_spike == 0 && spikes > 0 ? n : first_spike;
      ASSERT_NEAR(spikes, rate * 0.001 * static_cast<double>(n), 1.0)
          << "current " << currents[j] << " step " << n;
    }
    EXPECT_EQ(spikes, counts[j]);
    EXPECT_EQ(first_spike, first[j]);
  }
}

TEST_P(Dynamics, LifWithoutRefractoryPeriodSpikesEveryStep) {
  const Reading reading = Trajectories(Neurons(Lif{.tau_ref = 0}, ZeroVoltage{}, 1), {1e6}, 20, 0.001);
  EXPECT_EQ(reading.probes[0].trajectory, std::vector<double>(20, 1));
}

TEST_P(Dynamics, LifVoltageStopsAtItsFloor) {
  const double floors[] = {0, -1, -std::numeric_limits<double>::infinity()};
  for (const double floor : floors) {
    const Reading reading =
        Trajectories(Neurons(Lif{.min_voltage = floor}, ZeroVoltage{}, 1), {-20}, 200, 0.001);
    const double lowest =
        *std::min_element(reading.probes[1].trajectory.begin(), reading.probes[1].trajectory.end());
    EXPECT_NEAR(lowest, std::max(floor, -20.0), 1e-2);
  }
}

TEST_P(Dynamics, OutputIsProportionalToTheAmplitude) {
  for (const double amplitude : {0.01, 2.0, -0.5}) {
    const NeuronModel models[] = {SpikingRectifiedLinear{amplitude}, IntegrateAndFire{amplitude},
                                  Lif{.amplitude = amplitude}};
    for (const NeuronModel& model : models) {
      const Reading reading = Trajectories(Neurons(model, ZeroVoltage{}, 1), {700}, 50, 0.002);
      for (std::size_t n = 0; n < 50; ++n) {
        const double expected = reading.probes[0].trajectory[n] * amplitude / 0.002;
        ASSERT_NEAR(reading.probes[2].trajectory[n], expected, 1e-6 * std::abs(expected));
      }
    }
  }
  NetworkDefinition network = SingleOperation(NeuronOperation{RectifiedLinear{-2}, 3.0, 1.0, {}}, {2});
  const Reading reading = Trajectories(network, {4, -4}, 1, 0.001);
  EXPECT_EQ(reading.probes[0].trajectory, (std::vector<double>{-26, 0}));  // A max(bias + gain S, 0)
}

TEST_P(Dynamics, GainActsOnTheSumAndBiasBesideIt) {
  NetworkDefinition network = Neurons(IntegrateAndFire{}, ZeroVoltage{}, 2);
  network.tensors = {testing::Tensor("gain", {2}, {2, 0.5F}), testing::Tensor("bias", {2}, {128, -64})};
  network.operations[1].kind = NeuronOperation{IntegrateAndFire{}, "gain", "bias", ZeroVoltage{}};
  const Reading reading = Trajectories(network, {64, 512}, 1, kDyadicDt);
  EXPECT_EQ(reading.probes[1].trajectory, (std::vector<double>{256 * kDyadicDt, 192 * kDyadicDt}));
}

// floor(v) of a start voltage far below zero is a large negative count, as in Nengo; sums of it stay exact.
TEST_P(Dynamics, StartVoltageFarBelowZeroIsPaidInTheFirstStep) {
  NetworkDefinition network = Neurons(SpikingRectifiedLinear{}, ConstantVoltage{-1e6 + 0.5}, 8);
  network.operations.push_back({"dense", AffineOperation{"w", ""}});
  network.operations.push_back({"next", NeuronOperation{IntegrateAndFire{}, {}, {}, {}}});
  network.connections.push_back({"op", "dense", {}});
  network.connections.push_back({"dense", "next", {}});
  network.probes.push_back({"next", "next", ProbeQuantity::kVoltage, {}});
  network.tensors = {testing::Tensor("w", {1, 8}, std::vector<float>(8, 1.0F - 0x1p-21F))};
  const Reading reading = Trajectories(network, std::vector<double>(8, 0), 2, kDyadicDt);
  EXPECT_EQ(Column(reading.probes[0], 0), (std::vector<double>{-1e6, 0}));
  EXPECT_EQ(Column(reading.probes[1], 0), (std::vector<double>{0.5, 0.5}));
  EXPECT_NEAR(reading.probes[3].trajectory[0], -8e6 * (1 - 0x1p-21), 1);
}

// A probe of an Input held at 1, through a low-pass of 5 ms.
TEST_P(Dynamics, LowpassProbeRisesOneStepLate) {
  NetworkDefinition network = SingleOperation(WeightedSumOperation{{1}}, {1});
  network.probes[0].synapse = Lowpass{0.005};
  const Reading reading = Trajectories(network, {1}, 6, 0.001);
  const double expected[] = {0, .18126925, .32967995, .45118836, .55067104, .63212056};
  for (std::size_t n = 0; n < 6; ++n) {
    EXPECT_NEAR(reading.probes[0].trajectory[n], expected[n], exact() ? 1e-7 : 6e-9);
  }
}

TEST_P(Dynamics, LowpassOfZeroIsADelayOfOneStep) {
  NetworkDefinition network = SingleOperation(WeightedSumOperation{{1}}, {1});
  network.connections[0].synapse = Lowpass{0};
  EXPECT_EQ(Trajectories(network, {1, 0, 0, 0}, 4, 0.001, true).probes[0].trajectory,
            (std::vector<double>{0, 1, 0, 0}));
}

// A connection's filter and a probe's in a row: two steps of nothing, then the two recurrences.
TEST_P(Dynamics, TwoFiltersAreTwoStepsLate) {
  NetworkDefinition network = SingleOperation(WeightedSumOperation{{1}}, {1});
  network.connections[0].synapse = Lowpass{0.004};
  network.probes[0].synapse = Lowpass{0.01};
  const Reading reading = Trajectories(network, {3}, 40, 0.001);
  const double a = std::exp(-0.001 / 0.004);
  const double b = std::exp(-0.001 / 0.01);
  double f = 0;
  double p = 0;
  for (std::size_t n = 0; n < 40; ++n) {
    ASSERT_NEAR(reading.probes[0].trajectory[n], p, exact() ? 1e-6 : 1e-12) << "step " << n;
    p = b * p + (1 - b) * f;
    f = a * f + (1 - a) * 3;
  }
  EXPECT_EQ(reading.probes[0].trajectory[0], 0);
  EXPECT_EQ(reading.probes[0].trajectory[1], 0);
}

// Ten layers without a synapse answer in the first step; with one on each connection, layer by layer.
TEST_P(Dynamics, OnlySynapsesDelay) {
  for (const bool delayed : {false, true}) {
    NetworkDefinition network = SingleOperation(WeightedSumOperation{{1}}, {1});
    network.probes.clear();
    std::string source = "op";
    for (int layer = 0; layer < 10; ++layer) {
      const std::string name = "n" + std::to_string(layer);
      network.operations.push_back({name, NeuronOperation{SpikingRectifiedLinear{}, {}, {}, {}}});
      network.connections.push_back(
          {source, name, delayed && layer > 0 ? Synapse(Lowpass{0}) : std::nullopt});
      network.probes.push_back({name, name, ProbeQuantity::kSpikes, {}});
      source = name;
    }
    const Reading reading = Trajectories(network, {1024}, 12, kDyadicDt);
    for (std::size_t layer = 0; layer < 10; ++layer) {
      for (std::size_t n = 0; n < 12; ++n) {
        EXPECT_EQ(reading.probes[layer].trajectory[n], n >= layer || !delayed ? 1 : 0)
            << layer << " step " << n;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, Dynamics, ::testing::Values(Mode::kReference, Mode::kExact),
                         [](const auto& row) { return row.param == Mode::kExact ? "Exact" : "Reference"; });

}  // namespace
}  // namespace spikeserve::engine
