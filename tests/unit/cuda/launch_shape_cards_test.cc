// Launch shapes of real networks, on cards from 4 MB of L2 to a Hopper: every batch either runs within the
// memory and the index ranges of the card, or is refused because it cannot.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/gpu/cases.h"
#include "tests/support/definitions.h"
#include "tests/support/random.h"
#include "tests/support/random_cnn.h"
#include "tests/support/random_network.h"
#include "tests/unit/cuda/shaped_network.h"

namespace spikeserve::testing {
namespace {

// A chain of weights, neurons and low-passes, as the benchmarks have them.
class Chain {
 public:
  explicit Chain(engine::Shape input) : shape_(std::move(input)) {
    definition_.format_version = 1;
    Append("input", engine::InputOperation{shape_, {}, {}});
  }

  Chain& Conv(std::int64_t kernel, std::int64_t channels) {
    const std::string weight = Weights({channels, shape_.back(), kernel, kernel});
    Append("conv", engine::ConvOperation{weight, "", {1, 1}, {1, 1}, {0, 0}, {0, 0}, 1});
    shape_ = {shape_[0] - kernel + 1, shape_[1] - kernel + 1, channels};
    return Neurons();
  }
  Chain& Pool() {
    Append("pool", engine::PoolOperation{engine::PoolKind::kAverage, {2, 2}, {2, 2}, {0, 0}, {0, 0}, false});
    shape_ = {shape_[0] / 2, shape_[1] / 2, shape_[2]};
    return *this;
  }
  Chain& Dense(std::int64_t out, bool neurons = true) {
    if (shape_.size() > 1) {
      shape_ = {engine::ElementCount(shape_)};
      Append("flatten", engine::ReshapeOperation{shape_});
    }
    Append("dense", engine::AffineOperation{Weights({out, shape_.back()}), ""});
    shape_ = {out};
    return neurons ? Neurons() : *this;
  }
  engine::NetworkDefinition Finish() {
    definition_.probes = {{"output", last_, engine::ProbeQuantity::kOutput, {}}};
    return std::move(definition_);
  }

 private:
  Chain& Neurons() {
    Append("neurons", engine::NeuronOperation{engine::SpikingRectifiedLinear{0.01}, 100.0, {}, {}});
    spiking_ = true;
    return *this;
  }
  void Append(const std::string& kind, engine::OperationKind operation) {
    const std::string name = kind + std::to_string(definition_.operations.size());
    definition_.operations.push_back({name, std::move(operation)});
    if (!last_.empty()) {
      definition_.connections.push_back(
          {last_, name, spiking_ ? engine::Synapse{engine::Lowpass{0.005}} : engine::Synapse{}});
    }
    spiking_ = false;
    last_ = name;
  }
  std::string Weights(const engine::Shape& shape) {
    const std::string id = "w" + std::to_string(definition_.tensors.size());
    definition_.tensors.push_back(Tensor(id, shape, random_.Floats(engine::ElementCount(shape), -0.1, 0.1)));
    return id;
  }

  engine::Shape shape_;
  Random random_{7};
  engine::NetworkDefinition definition_;
  std::string last_;
  bool spiking_ = false;
};

// The networks of the benchmarks' tables.
engine::NetworkDefinition MakeNetwork(const std::string& name) {
  if (name == "mlp_784_1024_1024_10") {
    return Chain({784}).Dense(1024).Dense(1024).Dense(10, false).Finish();
  }
  if (name == "lenet") {
    return Chain({32, 32, 1})
        .Conv(5, 6)
        .Pool()
        .Conv(5, 16)
        .Pool()
        .Dense(120)
        .Dense(84)
        .Dense(10, false)
        .Finish();
  }
  return std::move(bench::MakeCases(name).at(0).definition);
}

engine::SimulationSpec SpecOf(bool per_step) {
  engine::SimulationSpec spec;
  spec.settings.steps = 100;
  spec.inputs = {{engine::DataType::kFloat32, per_step}};
  spec.probes = {0};
  spec.trajectories = per_step;
  spec.statistics = per_step;
  return spec;
}

class BenchShapes : public ::testing::TestWithParam<std::string> {};

TEST_P(BenchShapes, FitEveryCard) {
  const ShapedNetwork network(MakeNetwork(GetParam()));
  // Two digits in float16 and the integers of every weight, and what pads matrices to whole tiles.
  EXPECT_GE(network.weight_bytes(), 4 * network.weight_count());
  EXPECT_LE(network.weight_bytes(), 9 * network.weight_count() + (std::int64_t{4} << 20));
  for (const bool per_step : {false, true}) {
    const engine::SimulationSpec spec = SpecOf(per_step);
    network.ExpectShapes(spec, {1, 3, 32, 100, 256, 4096});
    for (const std::int64_t batch : {1, 4096}) {
      SCOPED_TRACE(::testing::Message() << batch << " samples, per step " << per_step);
      network.ExpectSmallestMemory(spec, batch);
    }
  }
  for (const std::int64_t batch : {1, 32, 4096}) {
    for (const Card& card : {kCards[2], kCards[3], kCards[4]}) {
      SCOPED_TRACE(::testing::Message() << batch << " samples on " << card.name);
      network.ExpectFullGroups(SpecOf(false), batch, card);
    }
  }
}

std::string CaseName(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Cases, BenchShapes,
                         ::testing::Values("mlp_784_128_10", "mlp_784_1024_1024_10", "fashion_cnn", "lenet",
                                           "vgg16_cifar", "resnet18_cifar", "mlp_4096x4",
                                           "mlp_784_128_10.memory", "fashion_cnn.memory",
                                           "vgg16_cifar.memory"),
                         CaseName);

TEST(LaunchShapes, OfTheParityTableFitEveryCard) {
  constexpr std::uint64_t kNetworks = 60;
  constexpr std::uint64_t kImageNetworks = 12;
  for (std::uint64_t seed = 1; seed <= kNetworks + kImageNetworks; ++seed) {
    SCOPED_TRACE(::testing::Message() << "network " << seed);
    RandomNetwork network = seed <= kNetworks ? MakeRandomNetwork(seed) : MakeRandomCnn(seed - kNetworks);
    network.spec.trajectories = seed % 2 == 0;
    network.spec.statistics = seed % 3 == 0;
    ShapedNetwork(std::move(network.definition)).ExpectShapes(network.spec, {1, 7, 4096});
  }
  for (std::uint64_t seed = 1; seed <= kImageNetworks; ++seed) {
    SCOPED_TRACE(::testing::Message() << "network with memory " << seed);
    RandomNetwork network = MakeMemoryCnn(seed, 1);
    ShapedNetwork(std::move(network.definition)).ExpectShapes(network.spec, {1, 7, 4096});
  }
}

// Filters with long memories, states of every neuron type.
TEST(LaunchShapes, OfEveryNeuronAndSynapseFitEveryCard) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(::testing::Message() << "network " << seed);
    RandomNetwork network = MakeRichNetwork(seed);
    network.spec.trajectories = seed % 2 == 0;
    const ShapedNetwork shaped(std::move(network.definition));
    shaped.ExpectShapes(network.spec, {1, 7, 4096});
    shaped.ExpectSmallestMemory(network.spec, 7);
  }
}

}  // namespace
}  // namespace spikeserve::testing
