#include "tests/bench/seeded.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "server/engine/network/index.h"
#include "tests/bench/chain.h"
#include "tests/bench/products.h"
#include "tests/support/random.h"

namespace spikeserve::bench {
namespace {

using engine::Index;

constexpr double kDt = 0.001;
constexpr std::int64_t kCalibrationSamples = 2;

// Builds a chain of operations, each connected to the one before.
class Builder {
 public:
  explicit Builder(engine::Shape input) {
    Add("input", engine::InputOperation{std::move(input), std::nullopt, std::nullopt});
  }

  void Dense(std::int64_t in, std::int64_t out) {
    Add(Name("dense"), engine::AffineOperation{Weight({out, in}, in), ""});
  }
  void Conv(std::int64_t in, std::int64_t out) {
    Add(Name("conv"), engine::ConvOperation{.weight = Weight({out, in, 3, 3}, in * 9),
                                            .bias = "",
                                            .stride = {1, 1},
                                            .dilation = {1, 1},
                                            .pad_before = {1, 1},
                                            .pad_after = {1, 1},
                                            .groups = 1});
  }
  void Pool() {
    Add(Name("pool"), engine::PoolOperation{.kind = engine::PoolKind::kAverage,
                                            .window = {2, 2},
                                            .stride = {2, 2},
                                            .pad_before = {0, 0},
                                            .pad_after = {0, 0}});
  }
  void Flatten(std::int64_t size) { Add(Name("flatten"), engine::ReshapeOperation{.shape = {size}}); }
  // A spike adds to the next layer what its weight says.
  void Neurons() {
    engine::NeuronOperation neuron;
    neuron.model = engine::IntegrateAndFire{.amplitude = kDt};
    neuron.gain = 1.0 / kDt;
    neuron.initial_voltage = engine::ConstantVoltage{.value = 0.5};
    Add(Name("neuron"), neuron);
  }
  engine::NetworkDefinition Finish() {
    definition_.format_version = 1;
    definition_.probes = {{.name = "output",
                           .target = definition_.operations.back().name,
                           .quantity = engine::ProbeQuantity::kOutput,
                           .synapse = std::nullopt}};
    definition_.defaults.dt = kDt;
    return std::move(definition_);
  }

 private:
  std::string Name(const char* kind) { return kind + std::to_string(definition_.operations.size()); }

  void Add(const std::string& name, engine::OperationKind kind) {
    if (!definition_.operations.empty()) {
      definition_.connections.push_back({definition_.operations.back().name, name, std::nullopt});
    }
    definition_.operations.push_back({name, std::move(kind)});
  }

  // Uniform with variance 2 / fan-in, which keeps the size of activations from layer to layer.
  std::string Weight(engine::Shape shape, std::int64_t fan_in) {
    const double bound = std::sqrt(6.0 / static_cast<double>(fan_in));
    const std::vector<float> values = random_.Floats(engine::ElementCount(shape), -bound, bound);
    engine::TensorDefinition tensor{.id = "weight" + std::to_string(definition_.tensors.size()),
                                    .shape = std::move(shape),
                                    .type = engine::DataType::kFloat32,
                                    .data = {}};
    tensor.data.resize(values.size() * sizeof(float));
    std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
    definition_.tensors.push_back(std::move(tensor));
    return definition_.tensors.back().id;
  }

  engine::NetworkDefinition definition_;
  testing::Random random_{1};
};

engine::Network Checked(engine::NetworkDefinition definition) {
  auto network = engine::Network::Create(std::move(definition), {});
  if (!network.ok()) {
    throw std::runtime_error(network.status().message());
  }
  return std::move(network).value();
}

// The factors that bring the mean activation of each spiking layer to `rate`; activations are rectified.
std::vector<double> Factors(const engine::Network& network, double rate) {
  std::vector<double> factors;
  std::vector<float> values = SeededInputs(network, kCalibrationSamples);
  for (const ChainLayer& layer : MakeChain(network).layers) {
    std::vector<float> next(Index(kCalibrationSamples * layer.out_size()));
    BlasLayer(layer, layer.weight).Run(values, kCalibrationSamples, next);
    values = std::move(next);
    if (!layer.spiking) {
      continue;
    }
    double sum = 0;
    for (float& value : values) {
      sum += value = std::max(value, 0.0F);
    }
    factors.push_back(rate * static_cast<double>(values.size()) / sum);
    for (float& value : values) {
      value *= static_cast<float>(factors.back());
    }
  }
  return factors;
}

std::shared_ptr<const engine::Network> Calibrated(engine::NetworkDefinition definition, double rate) {
  const engine::Network plain = Checked(std::move(definition));
  const std::vector<double> factors = Factors(plain, rate);
  definition = plain.definition();
  std::size_t layer = 0;
  for (engine::OperationDefinition& operation : definition.operations) {
    if (auto* neuron = std::get_if<engine::NeuronOperation>(&operation.kind)) {
      neuron->gain = factors[layer++] / kDt;
    }
  }
  return std::make_shared<const engine::Network>(Checked(std::move(definition)));
}

}  // namespace

std::vector<float> SeededInputs(const engine::Network& network, std::int64_t samples) {
  testing::Random random(2);
  return random.Floats(samples * network.size(network.inputs()[0]), 0, 1);
}

std::shared_ptr<const engine::Network> SeededDense(const std::vector<std::int64_t>& sizes, double rate) {
  Builder builder({sizes.front()});
  for (std::size_t i = 1; i < sizes.size(); ++i) {
    builder.Dense(sizes[i - 1], sizes[i]);
    if (i + 1 < sizes.size()) {
      builder.Neurons();
    }
  }
  return Calibrated(builder.Finish(), rate);
}

std::shared_ptr<const engine::Network> SeededVgg16(double rate) {
  Builder builder({32, 32, 3});
  std::int64_t channels = 3;
  for (const std::vector<std::int64_t>& block : std::vector<std::vector<std::int64_t>>{
           {64, 64}, {128, 128}, {256, 256, 256}, {512, 512, 512}, {512, 512, 512}}) {
    for (const std::int64_t out : block) {
      builder.Conv(channels, out);
      builder.Neurons();
      channels = out;
    }
    builder.Pool();
  }
  builder.Flatten(512);
  builder.Dense(512, 10);
  return Calibrated(builder.Finish(), rate);
}

}  // namespace spikeserve::bench
