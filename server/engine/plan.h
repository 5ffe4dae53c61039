#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/cpu/product.h"
#include "server/base/status.h"
#include "server/engine/network.h"
#include "server/engine/quantise.h"
#include "server/engine/simulation.h"

namespace spikeserve::engine {

// What other layers can read: the values of an Input, or what a Neuron operation emits.
struct Population {
  std::int64_t operation = 0;
  std::int64_t size = 0;
  std::int64_t layer = -1;  // in Plan::layers; -1 for an Input
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

enum class LayerKind { kNeuron, kLinear, kActivation };

// A target of products: a Neuron operation, or an operation that a probe reads.
struct Layer {
  LayerKind kind = LayerKind::kLinear;
  std::int64_t operation = 0;
  std::int64_t size = 0;
  std::vector<Term> terms;       // added in this order, the order of the connections
  std::vector<double> constant;  // what S holds whatever the input: propagated biases
  bool sink = false;             // nothing else reads the operation: its weights count as synapses
  // Of a Neuron:
  std::int64_t population = -1;
  NeuronModel model;
  std::vector<double> gain, bias;  // J = bias + gain * S
  InitialVoltage initial_voltage;
};

// Where a probe reads.
struct ProbePlan {
  ProbeQuantity quantity = ProbeQuantity::kOutput;
  std::int64_t layer = 0;  // in Plan::layers
  std::int64_t size = 0;
  Synapse synapse;
  std::int64_t delay_steps = 0;
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

// Weights a composed chain of linear operations may have.
constexpr std::int64_t kMaxComposedWeights = std::int64_t{1} << 26;

// `largest_weight`: magnitude of the integers that spikes meet, kExactLargestWeight or kFastLargestWeight.
// RESOURCE_EXHAUSTED where linear operations do not compose within kMaxComposedWeights, INVALID_ARGUMENT
// where what they compose to overflows float64.
Result<Plan> Compile(std::shared_ptr<const Network> network, const StopCheck& stopped = {},
                     std::int32_t largest_weight = kExactLargestWeight);

// Upper bound of the bytes of the plan and of building it, from shapes alone. Fails as Compile does where
// paths multiply.
Result<std::int64_t> EstimatePlanBytes(const Network& network);

// The softmax or other function of an Activation on one sample's values, in place.
void ApplyActivation(const ActivationOperation& activation, std::int64_t row_length,
                     std::vector<double>& values);

}  // namespace spikeserve::engine
