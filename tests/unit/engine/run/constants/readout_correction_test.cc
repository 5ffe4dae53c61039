// The corrected mean against closed forms: what remains is what settled filters would show.

#include "server/engine/run/constants/readout_correction.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/definitions.h"
#include "tests/support/run.h"

namespace spikeserve::engine {
namespace {

using testing::Bytes;
using testing::Sample;

class CorrectedMean : public ::testing::TestWithParam<Mode> {
 protected:
  double tolerance() const { return GetParam() == Mode::kExact ? 1e-5 : 1e-12; }

  std::vector<double> Read(const NetworkDefinition& network, ReadoutKind kind, std::int64_t steps,
                           std::int64_t skip, double input) const {
    SimulationSpec spec;
    spec.settings.steps = steps;
    spec.settings.readout = {kind, skip};
    spec.inputs = {{DataType::kFloat64, false}};
    spec.probes = {0};
    return testing::Simulate(testing::Load(network, GetParam()), spec, {Sample{{Bytes(std::vector{input})}}})
        .probes[0]
        .values;
  }
};

// The sum over steps 1..n of the response of a low-pass to a step: n - (1 - a^n) / (1 - a).
double Settled(double a, double n) { return n - (1 - std::pow(a, n)) / (1 - a); }

// Input 2 -> low-pass -> w x + b -> low-pass of the probe.
NetworkDefinition Line() {
  NetworkDefinition network = testing::SingleOperation(AffineOperation{"w", "b"}, {1});
  network.connections[0].synapse = Lowpass{0.005};
  network.probes[0].synapse = Lowpass{0.01};
  network.tensors = {testing::Tensor("w", {2, 1}, {3, -0.5F}), testing::Tensor("b", {2}, {0.25F, -7})};
  return network;
}

TEST_P(CorrectedMean, GivesWhatSettledFiltersWouldShow) {
  for (const std::int64_t skip : {0, 1, 40}) {
    const std::vector<double> values = Read(Line(), ReadoutKind::kCorrectedMean, 100, skip, 2);
    EXPECT_NEAR(values[0], 3 * 2 + 0.25, tolerance() * 7) << skip;
    EXPECT_NEAR(values[1], -0.5 * 2 - 7, tolerance() * 8) << skip;
  }
}

// The raw mean shrinks what the input drives by 0.840 and the bias by 0.895 with the filters 5 and 10 ms over
// 100 steps of 1 ms.
TEST_P(CorrectedMean, RawMeanHasTheFactorsOfTheTransient) {
  NetworkDefinition network = Line();
  network.tensors[0] = testing::Tensor("w", {2, 1}, {1, 0});
  network.tensors[1] = testing::Tensor("b", {2}, {0, 1});
  const std::vector<double> values = Read(network, ReadoutKind::kMean, 100, 0, 1);
  EXPECT_NEAR(values[1], Settled(std::exp(-0.1), 100) / 100, 2e-6);
  EXPECT_NEAR(values[0], 0.840, 0.0005);
  EXPECT_NEAR(values[1], 0.895, 0.0005);
  const std::vector<double> corrected = Read(network, ReadoutKind::kCorrectedMean, 100, 0, 1);
  EXPECT_NEAR(corrected[0], 1, 1e-5);
  EXPECT_NEAR(corrected[1], 1, 1e-5);
}

// Without any filter there is nothing to correct, and a bias alone stays what it is.
TEST_P(CorrectedMean, LeavesUnfilteredMeansAlone) {
  NetworkDefinition network = Line();
  network.connections[0].synapse = {};
  network.probes[0].synapse = {};
  for (const ReadoutKind kind : {ReadoutKind::kMean, ReadoutKind::kCorrectedMean}) {
    EXPECT_NEAR(Read(network, kind, 30, 0, 2)[0], 6.25, 1e-6);
  }
}

// Two spiking layers with synapses of 5 ms: 0.785 of what the hidden layer drives.
TEST_P(CorrectedMean, FollowsThePathThroughSpikingLayers) {
  NetworkDefinition network = testing::SingleOperation(NeuronOperation{IntegrateAndFire{}, {}, {}, {}}, {1});
  network.operations.push_back({"second", NeuronOperation{IntegrateAndFire{}, {}, {}, {}}});
  network.operations.push_back({"out", AffineOperation{"w", "b"}});
  network.connections.push_back({"op", "second", Lowpass{0.005}});
  network.connections.push_back({"second", "out", Lowpass{0.005}});
  network.probes[0] = {"output", "out", ProbeQuantity::kOutput, Lowpass{0.01}};
  network.tensors = {testing::Tensor("w", {1, 1}, {0.001F}), testing::Tensor("b", {1}, {2})};
  const double raw = Read(network, ReadoutKind::kMean, 100, 0, 9000)[0];
  EXPECT_NEAR(raw, 9 * 0.785 + 2 * 0.895, 0.03);
  EXPECT_NEAR(Read(network, ReadoutKind::kCorrectedMean, 100, 0, 9000)[0], 11, 0.04);
}

INSTANTIATE_TEST_SUITE_P(Modes, CorrectedMean, ::testing::Values(Mode::kExact, Mode::kReference));

}  // namespace
}  // namespace spikeserve::engine
