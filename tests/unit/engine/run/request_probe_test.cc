// Probes that a request brings along: every quantity against the recurrence, windows, spacing, reductions.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "tests/support/definitions.h"
#include "tests/support/run.h"

namespace spikeserve::engine {
namespace {

using testing::Bytes;
using ::testing::HasSubstr;
using testing::Sample;

constexpr double kDt = 1.0 / 1024;
constexpr std::int64_t kSteps = 20;

// input [1] -> v += J dt with J = 10 + 2 S -> affine [2].
NetworkDefinition Small() {
  NetworkDefinition network =
      testing::SingleOperation(NeuronOperation{IntegrateAndFire{}, 2.0, 10.0, {}}, {1});
  network.operations.push_back({"out", AffineOperation{"w", ""}});
  network.connections.push_back({"op", "out", {}});
  network.probes[0].target = "out";
  network.tensors = {testing::Tensor("w", {2, 1}, {1, -1})};
  return network;
}

class RequestProbes : public ::testing::TestWithParam<Mode> {
 protected:
  static SimulationSpec Spec(const std::vector<RequestProbe>& probes) {
    SimulationSpec spec;
    spec.settings.dt_s = kDt;
    spec.settings.steps = kSteps;
    spec.inputs = {{DataType::kFloat64, false}};
    spec.probes = {0};
    spec.request_probes = probes;
    return spec;
  }
  static std::vector<ProbeRecord> Records(const std::vector<RequestProbe>& probes) {
    const Sample sample{{Bytes(std::vector{150.0})}};  // J = 310: 0.302734375 per step, exact in float32
    return testing::Simulate(testing::Load(Small(), GetParam()), Spec(probes), {sample, sample}, {3, 17})
        .records;
  }
};

TEST_P(RequestProbes, RecordEveryQuantityAtEveryStep) {
  const auto records = Records({{1, ProbeQuantity::kSpikes, {}, {}},
                                {1, ProbeQuantity::kVoltage, {}, {}},
                                {1, ProbeQuantity::kCurrent, {}, {}},
                                {1, ProbeQuantity::kOutput, {}, {}},
                                {2, ProbeQuantity::kOutput, {}, {}},
                                {1, ProbeQuantity::kOutput, 0.004, {}}});
  ASSERT_EQ(records.size(), 6U);
  double v = 0;
  double filter = 0;
  const double a = std::exp(-kDt / 0.004);
  for (std::size_t t = 0; t < kSteps; ++t) {
    v += 310 * kDt;
    const double n = std::floor(v);
    v -= n;
    for (const std::size_t at : {t, t + kSteps}) {  // both samples
      EXPECT_EQ(records[0].values[at], n);
      EXPECT_EQ(records[1].values[at], v);
      EXPECT_EQ(records[2].values[at], 310);
      EXPECT_EQ(records[3].values[at], n * 1024);
      EXPECT_EQ(records[4].values[2 * at], n * 1024);
      EXPECT_EQ(records[4].values[2 * at + 1], -n * 1024);
      EXPECT_NEAR(records[5].values[at], filter, 1e-3);
    }
    filter = a * filter + (1 - a) * n * 1024;
  }
  EXPECT_EQ(records[4].size, 2);
  EXPECT_EQ(records[4].rows, kSteps);
}

TEST_P(RequestProbes, KeepEveryKthStepOfTheWindowAndReduceIt) {
  const auto voltage = [](const Recording& recording) {
    return RequestProbe{1, ProbeQuantity::kVoltage, {}, recording};
  };
  const auto records = Records({voltage({}), voltage({Reduction::kNone, 4, 17, 5}),
                                voltage({Reduction::kMean, 4, 17, 5}), voltage({Reduction::kSum, 4, 17, 5}),
                                voltage({Reduction::kLast, 4, 17, 5}), voltage({Reduction::kMax, 4, 17, 5})});
  const std::vector<double>& all = records[0].values;
  const std::vector<double> kept{all[3], all[8], all[13]};
  EXPECT_EQ(records[1].rows, 3);
  EXPECT_EQ(std::vector<double>(records[1].values.begin(), records[1].values.begin() + 3), kept);
  const double sum = std::accumulate(kept.begin(), kept.end(), 0.0);
  EXPECT_EQ(records[2].values[0], sum / 3);
  EXPECT_EQ(records[3].values[0], sum);
  EXPECT_EQ(records[4].values[0], kept[2]);
  EXPECT_EQ(records[5].values[0], *std::max_element(kept.begin(), kept.end()));
  EXPECT_EQ(records[5].values.size(), 2U);
}

TEST_P(RequestProbes, RefuseARangeThatIsNone) {
  const testing::Loaded loaded = testing::Load(Small(), GetParam());
  const std::vector<SampleInputs> inputs{{{nullptr}}};
  const auto spec = Spec({{1, ProbeQuantity::kVoltage, {}, {Reduction::kNone, 5, 4, 1}}});
  EXPECT_THAT(testing::NewSimulation(*loaded.network, spec, inputs).status().message(),
              HasSubstr("last_step: got 4, allowed 5.."));
}

INSTANTIATE_TEST_SUITE_P(Modes, RequestProbes, ::testing::Values(Mode::kExact, Mode::kReference));

TEST(RequestProbe, NeedsAnOperationThatIsALayer) {
  const testing::Loaded loaded = testing::Load(testing::SmallMlp(), Mode::kExact);
  SimulationSpec spec;
  spec.inputs = {{DataType::kFloat32, false}};
  spec.request_probes = {{1, ProbeQuantity::kOutput, {}, {}}};  // "dense", merged into its neurons
  const std::vector<SampleInputs> inputs{{{nullptr}}};
  EXPECT_THAT(testing::NewSimulation(*loaded.network, spec, inputs).status().message(),
              HasSubstr("operation 1"));
}

}  // namespace
}  // namespace spikeserve::engine
