#include "tests/support/random_cnn.h"

#include <string>
#include <utility>
#include <vector>

#include "server/engine/network/neuron_models.h"
#include "tests/support/definitions.h"
#include "tests/support/random.h"

namespace spikeserve::testing {
namespace {

using engine::DataType;

// Adds operation after operation. One thread, one use.
class CnnBuilder {
 public:
  explicit CnnBuilder(std::uint64_t seed) : random_(seed) {}

  RandomNetwork Build() {
    network_.definition.format_version = 1;
    synapse_ = random_.Chance(0.4);
    const std::int64_t channels = random_.Pick<std::int64_t>({1, 3});
    shape_ = {random_.Between(5, 11), random_.Between(5, 11), channels};
    const bool bytes = random_.Chance(0.4);
    Add(engine::InputOperation{shape_, bytes ? std::optional(1.0 / 255) : std::nullopt,
                               bytes && random_.Chance(0.5) ? std::optional(-0.25) : std::nullopt});
    network_.spec.inputs = {{bytes ? DataType::kUint8 : DataType::kFloat32, false}};
    const std::int64_t convolutions = random_.Between(1, 3);
    for (std::int64_t i = 0; i < convolutions; ++i) {
      Convolution();
    }
    Add(engine::ReshapeOperation{{Elements()}});
    shape_ = {Elements()};
    for (std::int64_t i = random_.Between(0, 2); i > 0; --i) {
      Dense(random_.Pick<std::int64_t>({1, 10, 16, 100, 128, 130, 150}));
      Neurons();
    }
    Dense(10);
    Finish();
    return std::move(network_);
  }

  RandomNetwork BuildWide() {
    network_.definition.format_version = 1;
    synapse_ = random_.Chance(0.4);
    shape_ = {5, random_.Between(4, 6), 1};
    Add(engine::InputOperation{shape_, {}, {}});
    network_.spec.inputs = {{DataType::kFloat32, false}};
    AddConvolution({.kernel = 3, .pad = 1, .out = 200});
    AddConvolution({.kernel = 3, .pad = random_.Between(0, 1), .out = 200});
    Add(engine::ReshapeOperation{{Elements()}});
    shape_ = {Elements()};
    Dense(10);
    Finish();
    network_.spec.settings.steps = 12;
    return std::move(network_);
  }

 private:
  std::int64_t Elements() const {
    std::int64_t count = 1;
    for (const std::int64_t dimension : shape_) {
      count *= dimension;
    }
    return count;
  }

  void Add(engine::OperationKind kind) {
    const std::string name = "op" + std::to_string(network_.definition.operations.size());
    if (!last_.empty()) {
      network_.definition.connections.push_back({last_, name, pending_});
    }
    network_.definition.operations.push_back({name, std::move(kind)});
    last_ = name;
    pending_ = {};
  }

  std::string Weights(engine::Shape shape, double deviation) {
    std::int64_t count = 1;
    for (const std::int64_t dimension : shape) {
      count *= dimension;
    }
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) {
      value = static_cast<float>(random_.Uniform(-1.7, 1.7) * deviation);
    }
    const std::string id = "w" + std::to_string(network_.definition.tensors.size());
    network_.definition.tensors.push_back(Tensor(id, std::move(shape), values));
    return id;
  }

  void Convolution() {
    const std::int64_t kernel = random_.Between(1, std::min<std::int64_t>(3, std::min(shape_[0], shape_[1])));
    const std::int64_t pad = kernel == 3 && random_.Chance(0.5) ? 1 : 0;
    const std::int64_t stride = random_.Between(1, 2);
    const std::int64_t dilation = kernel == 2 && random_.Chance(0.5) ? 2 : 1;
    const std::int64_t extent = dilation * (kernel - 1) + 1;
    if (extent > shape_[0] || extent > shape_[1]) {
      return;
    }
    AddConvolution(
        {kernel, pad, stride, dilation, random_.Pick<std::int64_t>({1, 6, 16, 17, 32, 64, 65, 130})});
    if (shape_[0] >= 2 && shape_[1] >= 2 && random_.Chance(0.5)) {
      Add(engine::PoolOperation{engine::PoolKind::kAverage, {2, 2}, {2, 2}, {0, 0}, {0, 0}, false});
      shape_[0] /= 2;
      shape_[1] /= 2;
    }
  }

  struct Window {
    std::int64_t kernel = 1, pad = 0, stride = 1, dilation = 1, out = 1;
  };

  void AddConvolution(const Window& w) {
    const std::string weight =
        Weights({w.out, shape_[2], w.kernel, w.kernel}, 1.0 / static_cast<double>(w.kernel * 2));
    Add(engine::ConvOperation{weight,
                              Weights({w.out}, 0.3),
                              {w.stride, w.stride},
                              {w.dilation, w.dilation},
                              {w.pad, w.pad},
                              {w.pad, w.pad},
                              1});
    for (int axis : {0, 1}) {
      std::int64_t& size = shape_[static_cast<std::size_t>(axis)];
      size = (size + 2 * w.pad - w.dilation * (w.kernel - 1) - 1) / w.stride + 1;
    }
    shape_[2] = w.out;
    Neurons();
  }

  void Dense(std::int64_t out) {
    const std::string weight = Weights({out, shape_.back()}, 2.0 / static_cast<double>(1 + shape_.back()));
    Add(engine::AffineOperation{weight, Weights({out}, 0.3)});
    shape_.back() = out;
    if (random_.Chance(0.3) && out > 1 && Before() != "") {
      Branch();
    }
  }

  // The last neurons once more, through weights of their own, added to what the dense layer gives.
  void Branch() {
    const std::string dense = last_;
    const std::string source = Before();
    const std::string name = "branch" + std::to_string(network_.definition.operations.size());
    const std::string weight =
        Weights({shape_.back(), neurons_size_}, 1.0 / static_cast<double>(1 + neurons_size_));
    network_.definition.operations.push_back({name, engine::AffineOperation{weight, ""}});
    network_.definition.connections.push_back({source, name, {}});
    network_.definition.operations.push_back({name + ".sum", engine::WeightedSumOperation{{1.0, -0.5}}});
    network_.definition.connections.push_back({dense, name + ".sum", {}});
    network_.definition.connections.push_back({name, name + ".sum", {}});
    last_ = name + ".sum";
  }

  std::string Before() const { return neurons_shape_.size() == 1 ? neurons_ : ""; }

  void Neurons() {
    const double scale = random_.Pick<double>({20, 60, 200});
    if (random_.Chance(0.5)) {
      Add(engine::NeuronOperation{
          engine::IntegrateAndFire{1 / scale}, scale, {}, engine::ConstantVoltage{0.5}});
    } else {
      Add(engine::NeuronOperation{
          engine::SpikingRectifiedLinear{1 / scale}, scale, {}, engine::UniformVoltage{7}});
    }
    neurons_ = last_;
    neurons_shape_ = shape_;
    neurons_size_ = Elements();
    pending_ = synapse_ ? engine::Synapse(engine::Lowpass{0.004}) : engine::Synapse{};
  }

  void Finish() {
    const bool filtered = random_.Chance(0.4);
    network_.definition.probes = {{"output", last_, engine::ProbeQuantity::kOutput,
                                   filtered ? engine::Synapse(engine::Lowpass{0.01}) : engine::Synapse{}}};
    network_.spec.probes = {0};
    network_.spec.statistics = true;
    network_.spec.settings.steps = random_.Between(5, 90);
    network_.spec.settings.readout.skip_steps = random_.Chance(0.3) ? random_.Between(1, 4) : 0;
    network_.spec.settings.readout.kind =
        random_.Chance(0.3) ? engine::ReadoutKind::kLast : engine::ReadoutKind::kMean;
  }

  Random random_;
  RandomNetwork network_;
  engine::Shape shape_, neurons_shape_;
  std::string last_, neurons_;
  std::int64_t neurons_size_ = 0;
  engine::Synapse pending_;
  bool synapse_ = false;
};

}  // namespace

RandomNetwork MakeRandomCnn(std::uint64_t seed) { return CnnBuilder(seed).Build(); }

RandomNetwork MakeWideCnn(std::uint64_t seed) { return CnnBuilder(seed).BuildWide(); }

RandomNetwork WithMemory(RandomNetwork network, double factor) {
  for (engine::OperationDefinition& operation : network.definition.operations) {
    if (auto* neuron = std::get_if<engine::NeuronOperation>(&operation.kind)) {
      const auto* gain = std::get_if<double>(&neuron->gain);
      const double amplitude = engine::SpikeAmplitude(neuron->model) / factor;
      neuron->model = engine::MemoryRectifiedLinear{amplitude, std::nullopt, 0};
      neuron->gain = factor * (gain != nullptr ? *gain : 1.0);
      neuron->initial_voltage = engine::ConstantVoltage{0.5};
    }
  }
  for (engine::ConnectionDefinition& connection : network.definition.connections) {
    connection.synapse.reset();
  }
  for (engine::ProbeDefinition& probe : network.definition.probes) {
    probe.synapse.reset();
  }
  network.spec.statistics = true;
  return network;
}

RandomNetwork MakeMemoryCnn(std::uint64_t seed, double factor) {
  return WithMemory(MakeRandomCnn(seed), factor);
}

}  // namespace spikeserve::testing
