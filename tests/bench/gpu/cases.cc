#include "tests/bench/gpu/cases.h"

#include <cmath>
#include <functional>
#include <utility>

#include "server/engine/network/index.h"
#include "server/engine/network/neuron_models.h"
#include "tests/support/definitions.h"
#include "tests/support/random.h"

namespace spikeserve::bench {
namespace {

using engine::Shape;

// Layers under construction, one behind the other but for the shortcuts of Residual.
class Chain {
 public:
  explicit Chain(Shape input) : shape_(std::move(input)), random_(7) {
    definition_.format_version = 1;
    Append("input", engine::InputOperation{shape_, {}, {}}, false);
  }

  Chain& Conv(std::int64_t channels, std::int64_t stride = 1) {
    Convolve(channels, 3, stride);
    return Neurons();
  }
  // Two convolutions, to whose sum what they read is added as it is or, where the shape changes, through
  // weights of its own.
  Chain& Residual(std::int64_t channels, std::int64_t stride) {
    const std::string source = last_;
    const Shape from = shape_;
    Conv(channels, stride);
    Convolve(channels, 3, 1);
    const std::string body = std::exchange(last_, source);
    const Shape to = std::exchange(shape_, from);
    spiking_ = true;
    if (from != to) {
      Convolve(channels, 1, stride);
    }
    Append("sum", engine::WeightedSumOperation{{1.0, 1.0}}, spiking_);
    definition_.connections.push_back({body, last_, {}});
    return Neurons();
  }
  Chain& Pool(std::int64_t size = 2) {
    Append(
        "pool",
        engine::PoolOperation{engine::PoolKind::kAverage, {size, size}, {size, size}, {0, 0}, {0, 0}, false},
        spiking_);
    spiking_ = false;
    shape_[0] /= size;
    shape_[1] /= size;
    return *this;
  }
  Chain& Flatten() {
    shape_ = {engine::ElementCount(shape_)};
    Append("flatten", engine::ReshapeOperation{shape_}, spiking_);
    spiking_ = false;
    return *this;
  }
  Chain& Dense(std::int64_t out, bool neurons = true) {
    Append("dense", engine::AffineOperation{Tensor({out, shape_.back()}, shape_.back()), ""}, spiking_);
    shape_ = {out};
    return neurons ? Neurons() : *this;
  }

  engine::NetworkDefinition Finish() {
    definition_.probes = {{"output", last_, engine::ProbeQuantity::kOutput, {}}};
    return std::move(definition_);
  }

 private:
  // Padded so that only the stride makes the map smaller.
  void Convolve(std::int64_t channels, std::int64_t kernel, std::int64_t stride) {
    const std::int64_t pad = kernel / 2;
    const std::string weight =
        Tensor({channels, shape_.back(), kernel, kernel}, kernel * kernel * shape_.back());
    Append("conv", engine::ConvOperation{weight, "", {stride, stride}, {1, 1}, {pad, pad}, {pad, pad}, 1},
           spiking_);
    spiking_ = false;
    shape_ = {(shape_[0] + stride - 1) / stride, (shape_[1] + stride - 1) / stride, channels};
  }

  Chain& Neurons() {
    spiking_ = false;
    Append(
        "neurons",
        engine::NeuronOperation{engine::SpikingRectifiedLinear{0.01}, 100.0, {}, engine::UniformVoltage{1}},
        false);
    spiking_ = true;
    return *this;
  }

  void Append(const std::string& kind, engine::OperationKind operation, bool filtered) {
    const std::string name = kind + std::to_string(definition_.operations.size());
    definition_.operations.push_back({name, std::move(operation)});
    if (!last_.empty()) {
      const engine::Synapse synapse = filtered ? engine::Synapse{engine::Lowpass{0.005}} : engine::Synapse{};
      definition_.connections.push_back({last_, name, synapse});
    }
    last_ = name;
  }

  // As He et al. draw them.
  std::string Tensor(const Shape& shape, std::int64_t fan_in) {
    const std::string id = "w" + std::to_string(definition_.tensors.size());
    const double limit = std::sqrt(6.0 / static_cast<double>(fan_in));
    definition_.tensors.push_back(
        testing::Tensor(id, shape, random_.Floats(engine::ElementCount(shape), -limit, limit)));
    return id;
  }

  Shape shape_;
  testing::Random random_;
  engine::NetworkDefinition definition_;
  std::string last_;
  bool spiking_ = false;
};

engine::NetworkDefinition Mlp() { return Chain({784}).Dense(128).Dense(10, false).Finish(); }

engine::NetworkDefinition Deep() {
  return Chain({784}).Dense(4096).Dense(4096).Dense(4096).Dense(4096).Dense(10, false).Finish();
}

engine::NetworkDefinition FashionCnn() {
  return Chain({28, 28, 1}).Conv(32).Pool().Conv(64).Pool().Flatten().Dense(128).Dense(10, false).Finish();
}

engine::NetworkDefinition Vgg16() {
  Chain chain({32, 32, 3});
  chain.Conv(64).Conv(64).Pool().Conv(128).Conv(128).Pool().Conv(256).Conv(256).Conv(256).Pool();
  chain.Conv(512).Conv(512).Conv(512).Pool().Conv(512).Conv(512).Conv(512).Pool();
  return chain.Flatten().Dense(512).Dense(10, false).Finish();
}

engine::NetworkDefinition ResNet18() {
  Chain chain({32, 32, 3});
  chain.Conv(64).Residual(64, 1).Residual(64, 1);
  for (const std::int64_t channels : {128, 256, 512}) {
    chain.Residual(channels, 2).Residual(channels, 1);
  }
  return chain.Pool(4).Flatten().Dense(10, false).Finish();
}

// The network with memory in its neurons, which then need no synapses.
engine::NetworkDefinition WithMemory(engine::NetworkDefinition network) {
  for (engine::OperationDefinition& operation : network.operations) {
    if (auto* neuron = std::get_if<engine::NeuronOperation>(&operation.kind)) {
      const double amplitude = engine::SpikeAmplitude(neuron->model);
      neuron->model = engine::MemoryRectifiedLinear{amplitude, std::nullopt, 0};
      neuron->initial_voltage = engine::ConstantVoltage{0.5};
    }
  }
  for (engine::ConnectionDefinition& connection : network.connections) {
    connection.synapse.reset();
  }
  return network;
}

}  // namespace

std::vector<Case> MakeCases(const std::string& filter) {
  struct Entry {
    std::string name;
    std::function<engine::NetworkDefinition()> make;
    std::int64_t steps;
    std::vector<std::int64_t> batches;
    engine::Mode mode = engine::Mode::kExact;
    bool memory = false;
  };
  constexpr engine::Mode kExact = engine::Mode::kExact, kInt8 = engine::Mode::kInt8;
  const std::vector<Entry> entries = {{"mlp_784_128_10", Mlp, 100, {1, 32, 256, 4096}},
                                      {"mlp_784_128_10.t1000", Mlp, 1000, {1, 256}},
                                      {"fashion_cnn", FashionCnn, 60, {1, 32, 256}},
                                      {"fashion_cnn.fast", FashionCnn, 60, {1, 256}, engine::Mode::kFast},
                                      {"mlp_4096x4", Deep, 100, {1, 32, 256}},
                                      {"mlp_4096x4.fast", Deep, 100, {1, 256}, engine::Mode::kFast},
                                      {"vgg16_cifar", Vgg16, 100, {1, 32}},
                                      {"vgg16_cifar.fast", Vgg16, 100, {1, 32}, engine::Mode::kFast},
                                      {"resnet18_cifar", ResNet18, 100, {1, 32}},
                                      {"mlp_784_128_10.memory", Mlp, 100, {256}, kExact, true},
                                      {"fashion_cnn.memory", FashionCnn, 60, {32, 256}, kExact, true},
                                      {"fashion_cnn.memory.int8", FashionCnn, 60, {32}, kInt8, true},
                                      {"vgg16_cifar.memory", Vgg16, 100, {1, 32}, kExact, true},
                                      {"vgg16_cifar.memory.int8", Vgg16, 100, {32}, kInt8, true}};
  std::vector<Case> cases;
  for (const Entry& entry : entries) {
    if (entry.name.find(filter) != std::string::npos) {
      cases.push_back({entry.name, entry.make(), entry.steps, entry.batches, entry.mode, {}});
      if (entry.memory) {
        cases.back().without_memory = cases.back().definition;
        cases.back().definition = WithMemory(std::move(cases.back().definition));
      }
    }
  }
  return cases;
}

Work CountWork(const engine::Plan& plan, std::int64_t steps) {
  Work work;
  for (const engine::Layer& layer : plan.layers) {
    const bool neurons = engine::NeuronsOf(layer) != nullptr;
    const bool memory = engine::HasMemory(layer);
    work.neuron_steps += neurons ? static_cast<double>(layer.size * (memory ? 1 : steps)) : 0;
    for (const engine::Term& term : layer.terms) {
      const kernels::ConvGeometry& g = term.product.conv;
      const bool conv = term.product.kind == kernels::ProductKind::kConv;
      const double fan_in = static_cast<double>(
          conv ? g.kernel_height * g.kernel_width * g.in_channels / g.groups : term.product.in);
      const bool sparse = term.product.kind == kernels::ProductKind::kSparse;
      const double macs = sparse ? static_cast<double>(term.product.sparse_row.size())
                                 : fan_in * static_cast<double>(layer.size);
      const bool held = plan.populations[engine::Index(term.population)].layer < 0;
      if (memory && !held) {
        work.byte_macs += macs;
      } else {
        (held || !neurons ? work.held_macs : work.macs) +=
            held || !neurons ? macs : macs * static_cast<double>(steps);
      }
      work.weights += static_cast<double>(std::max(term.product.integers.size(), term.product.floats.size()));
    }
  }
  return work;
}

}  // namespace spikeserve::bench
