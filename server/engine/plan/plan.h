#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kernels/math/product.h"
#include "server/engine/network/network.h"
#include "server/engine/network/neuron_models.h"

namespace spikeserve::engine {

// What layers can read: the values of an Input, or what a layer emits.
struct Population {
  std::int64_t operation = 0;
  std::int64_t size = 0;
  std::int64_t layer = -1;  // in Plan::layers, the one that emits it; -1 for an Input
  bool spiking = false;     // emits integer spike counts
  double amplitude = 1;     // spike height times dt; 1 unless spiking
};

// What one population contributes to a layer: a product, filtered behind the weights.
struct Term {
  std::int64_t population = 0;
  Synapse synapse;
  kernels::Product product;
  std::int64_t delay_steps = 0;  // before the filter
};

// What a layer makes of S, the sum of its terms: its kind. Who wants to know what can be read asks for the
// layer's population instead.

// Steps neurons, driven by J = bias + gain * S.
struct NeuronLayer {
  NeuronModel model;
  std::vector<double> gain, bias;
  InitialVoltage initial_voltage;
  // [neuron] with memory: its rows of integer weights count in 2^-shift spikes (memory_rows.h). Else empty.
  std::vector<std::uint8_t> shift = {};
  // What units that read counts make of what the cells of their terms' gathers have sent in all: the largest
  // of it, and of 0 where `zeros` [neuron] says so; or the product of that of the terms of both `slots`
  // [term].
  enum class Counts { kNone, kLargest, kProduct };
  Counts counts = Counts::kNone;
  std::vector<std::uint8_t> zeros = {};
  std::vector<std::size_t> slots = {};
  std::int64_t row = 1;  // neurons along the last axis
  // [neuron]: of a MemoryFunction, or that of a product for spikes, times dt.
  std::vector<double> output_scale = {};
};

// Shows S to its probes.
struct LinearLayer {};

// Shows what the activation makes of S.
struct ActivationLayer {
  ActivationOperation activation;
  std::int64_t row = 1;  // elements that a softmax runs over, the last axis
};

using LayerKind = std::variant<LinearLayer, NeuronLayer, ActivationLayer>;

// A target of products: an operation that emits, or one that a probe reads.
struct Layer {
  LayerKind kind;
  std::int64_t operation = 0;
  std::int64_t size = 0;
  std::vector<Term> terms;       // added in this order, the order of the connections
  std::vector<double> constant;  // what S holds whatever the input: propagated biases
  std::int64_t population = -1;  // in Plan::populations, what the layer emits; -1: nothing
  bool sink = false;             // nothing else reads the operation: its weights count as synapses

  // Whether other layers can read it: then every step of it is run.
  bool emits() const { return population >= 0; }
};

// Null unless the layer is of neurons.
inline const NeuronLayer* NeuronsOf(const Layer& layer) { return std::get_if<NeuronLayer>(&layer.kind); }

// Whether the layer's units take what their sources have sent as it is, not through weights.
inline bool ReadsCounts(const Layer& layer) {
  const NeuronLayer* neurons = NeuronsOf(layer);
  return neurons != nullptr && neurons->counts != NeuronLayer::Counts::kNone;
}

// Whether what its neurons have sent is a function of the mean of what they have received.
inline bool IsFunction(const Layer& layer) {
  const NeuronLayer* neurons = NeuronsOf(layer);
  return neurons != nullptr && std::holds_alternative<MemoryFunction>(neurons->model);
}

// Whether it is of that of a row of them.
inline bool IsRowFunction(const Layer& layer) {
  return IsFunction(layer) && math::IsOfRow(std::get<MemoryFunction>(NeuronsOf(layer)->model).function);
}

// Whether what the layer's neurons have sent is a function of what they have received.
inline bool HasMemory(const Layer& layer) {
  const NeuronLayer* neurons = NeuronsOf(layer);
  return neurons != nullptr && Remembers(neurons->model);
}

// Whether what its neurons have sent in all may be negative.
inline bool SendsNegative(const Layer& layer) {
  const NeuronLayer& neurons = *NeuronsOf(layer);
  if (const auto* model = std::get_if<MemoryRectifiedLinear>(&neurons.model)) {
    return model->negative_slope != 0;
  }
  const auto* function = std::get_if<MemoryFunction>(&neurons.model);
  return function != nullptr && (math::MayBeNegative(function->function) ||
                                 std::any_of(neurons.output_scale.begin(), neurons.output_scale.end(),
                                             [](double scale) { return scale < 0; }));
}

// Where a probe reads.
struct ProbePlan {
  ProbeQuantity quantity = ProbeQuantity::kOutput;
  std::int64_t layer = 0;  // in Plan::layers
  std::int64_t size = 0;
  Synapse synapse;
  std::int64_t delay_steps = 0;
};

// A spiking layer, as statistics report it.
struct SpikingLayer {
  std::string name;
  std::int64_t neurons = 0;
  bool memory = false;
};

// A compiled network: layers in order of computation, linear chains merged, weights quantised. Free of dt and
// of any backend. Immutable, hence thread-safe.
struct Plan {
  std::shared_ptr<const Network> network;
  std::vector<Population> populations;             // the Inputs first, in Network::inputs() order
  std::vector<Layer> layers;                       // sources before targets
  std::vector<ProbePlan> probes;                   // one per probe of the definition
  std::vector<SpikingLayer> spiking;               // names and sizes, for statistics
  std::vector<std::int64_t> spiking_layers;        // indices in layers
  std::vector<std::vector<std::int64_t>> fan_out;  // [population][element], spiking ones only
  std::int64_t bytes = 0;
};

}  // namespace spikeserve::engine
