#include "tests/bench/chain.h"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

#include "server/engine/network/index.h"
#include "server/engine/run/constants/initial_voltage.h"

namespace spikeserve::bench {
namespace {

using engine::Index;

[[noreturn]] void Refuse(const std::string& operation, const std::string& what) {
  throw std::runtime_error("the benchmark cannot run operation " + operation + ": " + what);
}

std::vector<float> Floats(const engine::Network& network, const std::string& id, std::int64_t count) {
  if (id.empty()) {
    return std::vector<float>(Index(count), 0.0F);
  }
  const std::vector<double> values = network.Values(id);
  return {values.begin(), values.end()};
}

// Rows, columns and channels of a shape of rank 1 to 3.
void SetImage(const engine::Shape& shape, std::int64_t& height, std::int64_t& width, std::int64_t& channels) {
  height = shape.size() == 3 ? shape[0] : 1;
  width = shape.size() == 3 ? shape[1] : 1;
  channels = shape.back();
}

// [out, in, y, x] as stored to [out, y, x, in].
std::vector<float> ChannelsLast(const std::vector<float>& weight, const ChainLayer& layer) {
  std::vector<float> result(weight.size());
  const std::int64_t taps = layer.kernel_height * layer.kernel_width;
  for (std::int64_t out = 0; out < layer.out_channels; ++out) {
    for (std::int64_t in = 0; in < layer.in_channels; ++in) {
      for (std::int64_t tap = 0; tap < taps; ++tap) {
        result[Index((out * taps + tap) * layer.in_channels + in)] =
            weight[Index((out * layer.in_channels + in) * taps + tap)];
      }
    }
  }
  return result;
}

// Collects the layers from the probe back to the input.
class Walk {
 public:
  explicit Walk(const engine::Network& network) : network_(network) {}

  std::vector<ChainLayer> Layers(std::int64_t operation) {
    while (!Visit(operation)) {
      const auto& incoming = network_.incoming(operation);
      if (incoming.size() != 1) {
        Refuse(Name(operation), "it has " + std::to_string(incoming.size()) + " inputs, wanted 1");
      }
      // A filtered connection brings spikes: it belongs to the product behind it, pools in between included.
      const engine::Synapse& synapse =
          network_.definition().connections[Index(incoming[0].connection)].synapse;
      operation = incoming[0].source;
      if (synapse) {
        Behind().synapse = synapse;
      }
    }
    std::reverse(layers_.begin(), layers_.end());
    return layers_;
  }

 private:
  const std::string& Name(std::int64_t operation) const {
    return network_.definition().operations[Index(operation)].name;
  }
  std::int64_t Source(std::int64_t operation) const { return network_.incoming(operation).at(0).source; }

  // The product whose source was reached last.
  ChainLayer& Behind() {
    for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
      if (layer->kind != ChainLayer::Kind::kPool) {
        return *layer;
      }
    }
    throw std::runtime_error("the benchmark needs a product behind every synapse");
  }

  // True at the input.
  bool Visit(std::int64_t operation) {
    const auto& kind = network_.definition().operations[Index(operation)].kind;
    if (std::holds_alternative<engine::InputOperation>(kind)) {
      return true;
    }
    if (std::holds_alternative<engine::ReshapeOperation>(kind)) {
      return false;
    }
    if (const auto* neuron = std::get_if<engine::NeuronOperation>(&kind)) {
      AddNeuron(operation, *neuron);
    } else if (const auto* affine = std::get_if<engine::AffineOperation>(&kind)) {
      AddAffine(operation, *affine);
    } else if (const auto* conv = std::get_if<engine::ConvOperation>(&kind)) {
      AddConv(operation, *conv);
    } else if (const auto* pool = std::get_if<engine::PoolOperation>(&kind)) {
      AddPool(operation, *pool);
    } else {
      Refuse(Name(operation), "neither dense, conv, pool, reshape nor neuron");
    }
    return false;
  }

  void AddNeuron(std::int64_t operation, const engine::NeuronOperation& neuron) {
    pending_ = {};
    pending_.spiking = true;
    if (const auto* model = std::get_if<engine::SpikingRectifiedLinear>(&neuron.model)) {
      pending_.rectified = true;
      pending_.amplitude = model->amplitude;
    } else if (const auto* signed_model = std::get_if<engine::IntegrateAndFire>(&neuron.model)) {
      pending_.amplitude = signed_model->amplitude;
    } else if (const auto* memory = std::get_if<engine::MemoryRectifiedLinear>(&neuron.model)) {
      pending_.remembers = true;
      pending_.amplitude = memory->amplitude;
    } else {
      Refuse(Name(operation), "not a SpikingRectifiedLinear or integrate-and-fire neuron");
    }
    pending_.gain = network_.Expand(neuron.gain, operation, 1);
    pending_.offset = network_.Expand(neuron.bias, operation, 0);
    pending_.voltage = Voltages(operation, neuron);
  }

  std::vector<double> Voltages(std::int64_t operation, const engine::NeuronOperation& neuron) const {
    const engine::InitialVoltage policy = neuron.initial_voltage.value_or(engine::ZeroVoltage{});
    return engine::InitialVoltages(network_, policy, operation, network_.size(operation), std::nullopt);
  }

  // Moves what is known of the neurons behind the product into it.
  ChainLayer& Add(std::int64_t operation, ChainLayer::Kind kind) {
    ChainLayer layer = kind == ChainLayer::Kind::kPool ? ChainLayer{} : std::move(pending_);
    if (kind != ChainLayer::Kind::kPool) {
      pending_ = {};
    }
    layer.kind = kind;
    SetImage(network_.shape(Source(operation)), layer.in_height, layer.in_width, layer.in_channels);
    SetImage(network_.shape(operation), layer.out_height, layer.out_width, layer.out_channels);
    layers_.push_back(std::move(layer));
    return layers_.back();
  }

  void AddAffine(std::int64_t operation, const engine::AffineOperation& affine) {
    ChainLayer& layer = Add(operation, ChainLayer::Kind::kDense);
    if (network_.shape(operation).size() != 1) {
      Refuse(Name(operation), "a dense layer over several pixels");
    }
    layer.weight = Floats(network_, affine.weight, 0);
    layer.bias = Floats(network_, affine.bias, layer.out_channels);
  }

  void AddConv(std::int64_t operation, const engine::ConvOperation& conv) {
    if (conv.stride.size() != 2 || conv.groups != 1 || conv.dilation[0] != 1 || conv.dilation[1] != 1) {
      Refuse(Name(operation), "wanted two spatial axes, one group, no dilation");
    }
    ChainLayer& layer = Add(operation, ChainLayer::Kind::kConv);
    const engine::Shape& kernel = network_.tensor(conv.weight).shape;
    layer.kernel_height = kernel[2];
    layer.kernel_width = kernel[3];
    SetWindow(layer, conv.stride, conv.pad_before, conv.pad_after);
    layer.weight = ChannelsLast(Floats(network_, conv.weight, 0), layer);
    layer.bias = Floats(network_, conv.bias, layer.out_channels);
  }

  void AddPool(std::int64_t operation, const engine::PoolOperation& pool) {
    if (pool.window.size() != 2) {
      Refuse(Name(operation), "wanted two spatial axes");
    }
    for (std::size_t axis = 0; axis < 2; ++axis) {
      if (pool.pad_before[axis] != 0 || pool.pad_after[axis] != 0) {
        Refuse(Name(operation), "it has padding");
      }
    }
    ChainLayer& layer = Add(operation, ChainLayer::Kind::kPool);
    layer.kernel_height = pool.window[0];
    layer.kernel_width = pool.window[1];
    SetWindow(layer, pool.stride, pool.pad_before, pool.pad_after);
  }

  static void SetWindow(ChainLayer& layer, const engine::Shape& stride, const engine::Shape& before,
                        const engine::Shape& after) {
    layer.stride_y = stride[0];
    layer.stride_x = stride[1];
    layer.pad_top = before[0];
    layer.pad_left = before[1];
    layer.pad_bottom = after[0];
    layer.pad_right = after[1];
  }

  const engine::Network& network_;
  ChainLayer pending_;
  std::vector<ChainLayer> layers_;  // backwards
};

}  // namespace

std::int64_t Chain::neurons() const {
  std::int64_t sum = 0;
  for (const ChainLayer& layer : layers) {
    sum += layer.spiking ? layer.out_size() : 0;
  }
  return sum;
}

std::int64_t Chain::weights() const {
  std::int64_t sum = 0;
  for (const ChainLayer& layer : layers) {
    sum += static_cast<std::int64_t>(layer.weight.size());
  }
  return sum;
}

Chain MakeChain(const engine::Network& network) {
  const engine::NetworkDefinition& definition = network.definition();
  if (definition.probes.empty()) {
    throw std::runtime_error("the benchmark needs a probe");
  }
  Chain chain;
  chain.defaults = definition.defaults;
  if (!(chain.defaults.dt > 0)) {
    chain.defaults.dt = 0.001;
  }
  chain.probe_synapse = definition.probes[0].synapse;
  chain.layers = Walk(network).Layers(network.probe_target(0));
  if (chain.layers.empty() || chain.layers.back().kind == ChainLayer::Kind::kPool ||
      chain.layers.back().spiking) {
    throw std::runtime_error("the benchmark needs a network that ends with a linear product");
  }
  return chain;
}

}  // namespace spikeserve::bench
