// LayerActivity against counting by hand.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "server/engine/run/activity.h"
#include "tests/support/definitions.h"
#include "tests/support/random_network.h"
#include "tests/support/run.h"

namespace spikeserve::engine {
namespace {

using testing::Bytes;
using testing::Sample;

class Statistics : public ::testing::TestWithParam<Mode> {};

// Spikes, busiest neuron and silent neurons of random networks are those of their spike trajectories.
TEST_P(Statistics, CountWhatTheSpikeProbesShow) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    testing::RandomNetwork network = testing::MakeRandomNetwork(seed);
    network.spec.trajectories = true;
    const auto samples = testing::RandomSamples(network, 2, seed);
    const testing::Loaded loaded = testing::Load(network.definition, GetParam());
    const Reading reading = testing::Simulate(loaded, network.spec, samples);
    std::map<std::string, std::size_t> layers;
    for (const SpikingLayer& layer : loaded.network->spiking_layers()) {
      layers.emplace(layer.name, layers.size());
    }
    for (std::size_t p = 0; p < reading.probes.size(); ++p) {
      const ProbeDefinition& probe = network.definition.probes[p];
      if (probe.quantity != ProbeQuantity::kSpikes) {
        continue;
      }
      const auto size = static_cast<std::size_t>(reading.probes[p].size);
      const std::size_t each = reading.probes[p].trajectory.size() / samples.size();
      for (std::size_t sample = 0; sample < samples.size(); ++sample) {
        std::vector<std::int64_t> spikes(size, 0);
        for (std::size_t i = 0; i < each; ++i) {
          spikes[i % size] += static_cast<std::int64_t>(reading.probes[p].trajectory[sample * each + i]);
        }
        const LayerActivity& activity = reading.statistics[sample][layers.at(probe.target)];
        std::int64_t total = 0;
        std::for_each(spikes.begin(), spikes.end(), [&](std::int64_t count) { total += count; });
        EXPECT_EQ(activity.spikes, total) << seed << probe.name;
        EXPECT_EQ(activity.busiest_neuron_spikes, *std::max_element(spikes.begin(), spikes.end()));
        EXPECT_EQ(activity.silent_neurons, std::count(spikes.begin(), spikes.end(), 0));
      }
    }
  }
}

// Spikes per neuron of "op" over 64 steps of 1/1024 s are the inputs over 16.
std::int64_t SynapticOperations(NetworkDefinition network, const std::vector<double>& input, Mode mode) {
  SimulationSpec spec;
  spec.settings.steps = 64;
  spec.settings.dt_s = 1.0 / 1024;
  spec.inputs = {{DataType::kFloat64, false}};
  spec.probes = {0};
  spec.statistics = true;
  return testing::Simulate(testing::Load(std::move(network), mode), spec, {Sample{{Bytes(input)}}})
      .statistics[0][0]
      .synaptic_operations;
}

NetworkDefinition Spiking(Shape shape) {
  return testing::SingleOperation(NeuronOperation{IntegrateAndFire{}, {}, {}, {}}, std::move(shape));
}

void Append(NetworkDefinition& network, const std::string& name, OperationKind kind,
            const std::string& source) {
  network.operations.push_back({name, std::move(kind)});
  network.connections.push_back({source, name, {}});
}

TEST_P(Statistics, ASpikeReachesEveryWeightOfItsColumn) {
  NetworkDefinition network = Spiking({3});
  Append(network, "dense", AffineOperation{"w", ""}, "op");
  Append(network, "next", NeuronOperation{IntegrateAndFire{}, {}, {}, {}}, "dense");
  network.tensors = {testing::Tensor("w", {5, 3}, std::vector<float>(15, 0.5F))};
  EXPECT_EQ(SynapticOperations(network, {16, 32, 0}, GetParam()), 3 * 5);
  Append(network, "out", AffineOperation{"w2", ""}, "op");  // a second reader adds its own weights
  network.tensors.push_back(testing::Tensor("w2", {2, 3}, std::vector<float>(6, 0.5F)));
  network.probes.push_back({"out", "out", ProbeQuantity::kOutput, {}});
  EXPECT_EQ(SynapticOperations(network, {16, 32, 0}, GetParam()), 3 * (5 + 2));
  network.probes.push_back({"dense", "dense", ProbeQuantity::kOutput, {}});  // looking on costs nothing
  EXPECT_EQ(SynapticOperations(network, {16, 32, 0}, GetParam()), 3 * (5 + 2));
}

// A corner of an image is under fewer positions of a kernel than its middle.
TEST_P(Statistics, ASpikeReachesTheWindowsOverIt) {
  for (const std::int64_t stride : {1, 2}) {
    for (const std::int64_t pad : {0, 1}) {
      NetworkDefinition network = Spiking({4, 4, 1});
      Append(network, "conv", ConvOperation{"w", "", {stride, stride}, {1, 1}, {pad, pad}, {pad, pad}, 1},
             "op");
      Append(network, "next", NeuronOperation{IntegrateAndFire{}, {}, {}, {}}, "conv");
      network.tensors = {testing::Tensor("w", {3, 1, 3, 3}, std::vector<float>(27, 0.5F))};
      const std::int64_t extent = (4 + 2 * pad - 3) / stride + 1;
      std::vector<double> input(16, 0.0);
      std::int64_t expected = 0;
      for (std::int64_t cell = 0; cell < 16; ++cell) {
        input[static_cast<std::size_t>(cell)] = 16.0 * static_cast<double>(cell % 3);
        for (std::int64_t out = 0; out < extent * extent; ++out) {
          const std::int64_t y = cell / 4 - (out / extent * stride - pad);
          const std::int64_t x = cell % 4 - (out % extent * stride - pad);
          expected += y >= 0 && y < 3 && x >= 0 && x < 3 ? cell % 3 * 3 : 0;
        }
      }
      EXPECT_EQ(SynapticOperations(network, input, GetParam()), expected) << stride << " " << pad;
    }
  }
}

TEST_P(Statistics, ALayerThatNobodyReadsReachesNothing) {
  EXPECT_EQ(SynapticOperations(Spiking({2}), {64, 64}, GetParam()), 0);
}

// What a client sends decides how large the counts get: they say so and never wrap.
TEST_P(Statistics, CountsBeyondTheirRangeAreRefused) {
  for (const double input : {1e35, 1e300, std::nan("")}) {
    SimulationSpec spec;
    spec.settings.steps = 3;
    spec.settings.dt_s = 1;
    spec.inputs = {{DataType::kFloat64, false}};
    spec.statistics = true;
    const Reading reading = testing::Simulate(testing::Load(Spiking({2}), GetParam()), spec,
                                              {Sample{{Bytes(std::vector<double>{input, 1})}}});
    EXPECT_EQ(reading.sample_status[0].code(), StatusCode::kOutOfRange) << input;
    EXPECT_THAT(reading.sample_status[0].message(), ::testing::HasSubstr("'op'")) << input;
  }
}

// Neurons with memory that take back what they have sent: net and gross, each as the spikes say.
TEST_P(Statistics, TellNetFromGross) {
  NetworkDefinition network =
      testing::SingleOperation(NeuronOperation{MemoryRectifiedLinear{1, std::nullopt, 0}, {}, {}, {}}, {2});
  Append(network, "dense", AffineOperation{"w", ""}, "op");
  network.tensors = {testing::Tensor("w", {5, 2}, std::vector<float>(10, 0.5F))};
  network.probes = {{"spikes", "op", ProbeQuantity::kSpikes, {}},
                    {"dense", "dense", ProbeQuantity::kOutput, {}}};
  SimulationSpec spec;
  spec.settings.steps = 4;
  spec.settings.dt_s = 1;
  spec.inputs = {{DataType::kFloat64, true}};
  spec.probes = {1};
  spec.statistics = true;
  const Sample sample{
      {Bytes(std::vector<double>{3, 0, 2, 0, -4, 7, 1, -6})}};  // spikes 3 2 -4 1 and 0 0 7 -6
  const testing::Loaded loaded = testing::Load(network, GetParam());
  EXPECT_TRUE(loaded.network->spiking_layers()[0].memory);
  const Reading net = testing::Simulate(loaded, spec, {sample});
  EXPECT_EQ(net.statistics[0][0].spikes, 2 + 1);
  EXPECT_EQ(net.statistics[0][0].synaptic_operations, (2 + 1) * 5);
  EXPECT_EQ(net.spikes[0], 2 + 1);
  spec.gross_statistics = true;
  const Reading gross = testing::Simulate(loaded, spec, {sample});
  EXPECT_EQ(gross.statistics[0][0].spikes, 10 + 13);
  EXPECT_EQ(gross.statistics[0][0].busiest_neuron_spikes, 13);
  EXPECT_EQ(gross.statistics[0][0].synaptic_operations, (10 + 13) * 5);
  EXPECT_EQ(gross.spikes[0], 10 + 13);
  EXPECT_EQ(gross.probes[0].values, net.probes[0].values);
}

TEST(Activity, SumsSaturate) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const std::vector<std::int64_t> spikes = {kMost, 7, 0};
  const std::vector<std::int64_t> fan_out = {3, 2, 5};
  const LayerActivity activity = Summarise(spikes, fan_out);
  EXPECT_EQ(activity.spikes, kMost);
  EXPECT_EQ(activity.synaptic_operations, kMost);
  EXPECT_EQ(activity.busiest_neuron_spikes, kMost);
  EXPECT_EQ(activity.silent_neurons, 1);
  EXPECT_EQ(SaturatingMultiply(kMost / 2, 2), kMost - 1);
  EXPECT_EQ(SaturatingAdd(kMost - 1, 1), kMost);
}

INSTANTIATE_TEST_SUITE_P(Modes, Statistics, ::testing::Values(Mode::kReference, Mode::kExact),
                         [](const auto& row) { return row.param == Mode::kExact ? "Exact" : "Reference"; });

}  // namespace
}  // namespace spikeserve::engine
