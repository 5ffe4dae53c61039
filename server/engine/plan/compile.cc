#include "server/engine/plan/compile.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "server/base/overloaded.h"
#include "server/engine/network/count_rules.h"
#include "server/engine/network/index.h"
#include "server/engine/network/neuron_models.h"
#include "server/engine/network/synapse_filter.h"
#include "server/engine/plan/count_cells.h"
#include "server/engine/plan/lowering.h"
#include "server/engine/plan/memory_rows.h"
#include "server/engine/plan/paths.h"

namespace spikeserve::engine {
namespace {

// One compilation. One thread, one use.
class Compiler {
 public:
  Compiler(std::shared_ptr<const Network> network, const StopCheck& stopped, std::int32_t largest_weight)
      : network_(*network), stopped_(stopped), largest_weight_(largest_weight) {
    plan_.network = std::move(network);
    const std::size_t operations = network_.definition().operations.size();
    constants_.resize(operations);
    probed_.resize(operations);
    read_.resize(operations);
    layer_of_.assign(operations, -1);
    population_of_.assign(operations, -1);
  }

  Result<Plan> Run() {
    Result<Paths> paths = FindPaths(network_);
    if (!paths.ok()) {
      return paths.status();
    }
    paths_ = std::move(paths).value();
    MarkReaders();
    for (const std::int64_t input : network_.inputs()) {
      AddPopulation({.operation = input, .size = network_.size(input)});
    }
    for (const std::int64_t operation : network_.order()) {
      if (Status status = Visit(operation); !status.ok()) {
        return status;
      }
      if (Stopped()) {
        return Status(StatusCode::kCancelled, "stopped while the network was compiled");
      }
    }
    AddProbes();
    CountFanOut();
    for (const Layer& layer : plan_.layers) {
      for (const Term& term : layer.terms) {
        plan_.bytes += term.product.bytes();
      }
      plan_.bytes += 24 * layer.size;
    }
    for (const Population& population : plan_.populations) {
      plan_.bytes += 8 * population.size;
    }
    return std::move(plan_);
  }

 private:
  bool Stopped() const { return stopped_ && stopped_(); }

  const OperationKind& KindOf(std::int64_t operation) const {
    return network_.definition().operations[Index(operation)].kind;
  }

  void MarkReaders() {
    for (std::size_t i = 0; i < network_.definition().probes.size(); ++i) {
      probed_[Index(network_.probe_target(static_cast<std::int64_t>(i)))] = true;
    }
    for (std::size_t i = 0; i < read_.size(); ++i) {
      for (const Incoming& incoming : network_.incoming(static_cast<std::int64_t>(i))) {
        read_[Index(incoming.source)] = true;
      }
    }
  }

  std::int64_t AddPopulation(Population population) {
    const auto index = static_cast<std::int64_t>(plan_.populations.size());
    population_of_[Index(population.operation)] = index;
    constants_[Index(population.operation)].assign(Index(population.size), 0.0);
    plan_.populations.push_back(population);
    return index;
  }

  Status Visit(std::int64_t operation) {
    const OperationKind& kind = KindOf(operation);
    const auto* neuron = std::get_if<NeuronOperation>(&kind);
    if (ReadsCounts(kind)) {
      return AddCountReader(operation);
    }
    if (!std::holds_alternative<InputOperation>(kind)) {
      CombineConstants(operation);
    }
    if (neuron != nullptr) {
      return AddNeurons(operation, *neuron);
    }
    if (!probed_[Index(operation)]) {
      return {};
    }
    Layer layer;
    if (const auto* activation = std::get_if<ActivationOperation>(&kind)) {
      layer.kind = ActivationLayer{*activation, network_.shape(operation).back()};
    }
    layer.sink = !read_[Index(operation)];
    return AddLayer(operation, std::move(layer));
  }

  // What the operation holds whatever the inputs: biases on the way to it.
  void CombineConstants(std::int64_t operation) {
    const OperationKind& kind = KindOf(operation);
    const bool linear = !IsPopulation(kind) && !std::holds_alternative<ActivationOperation>(kind);
    std::vector<double> constant(Index(network_.size(operation)), 0.0);
    const std::vector<Incoming>& incoming = network_.incoming(operation);
    for (std::size_t slot = 0; slot < incoming.size(); ++slot) {
      AddConstant({operation, slot}, linear, constants_[Index(incoming[slot].source)], constant);
    }
    constants_[Index(operation)] = std::move(constant);
  }

  void AddConstant(Link link, bool linear, const std::vector<double>& in, std::vector<double>& out) const {
    if (!linear) {
      std::transform(in.begin(), in.end(), out.begin(), out.begin(), std::plus<>());
      return;
    }
    const LinearOperator op(network_, link);
    const bool zero = std::all_of(in.begin(), in.end(), [](double value) { return value == 0; });
    std::vector<Entry> entries;
    for (std::int64_t row = 0; row < op.rows() && !Stopped(); ++row) {
      double sum = op.Constant(row);
      if (!zero) {
        op.Row(row, entries);
        for (const Entry& entry : entries) {
          sum += entry.weight * in[Index(entry.column)];
        }
      }
      out[Index(row)] += sum;
    }
  }

  Status AddNeurons(std::int64_t operation, const NeuronOperation& neuron) {
    Layer layer;
    layer.kind = NeuronLayer{neuron.model, network_.Expand(neuron.gain, operation, 1),
                             network_.Expand(neuron.bias, operation, 0),
                             neuron.initial_voltage.value_or(ZeroVoltage{})};
    if (std::holds_alternative<MemoryFunction>(neuron.model)) {
      std::get<NeuronLayer>(layer.kind).output_scale = network_.Expand(neuron.output_scale, operation, 1);
      std::get<NeuronLayer>(layer.kind).row = network_.shape(operation).back();
    }
    layer.sink = true;
    return AddLayer(operation, std::move(layer));
  }

  // What has been sent counts as it is: in whole spikes, from no start.
  Status AddCountReader(std::int64_t operation) {
    Layer layer;
    layer.operation = operation;
    layer.size = network_.size(operation);
    layer.sink = true;
    layer.constant.assign(Index(layer.size), 0.0);
    NeuronLayer units;
    units.counts = NeuronLayer::Counts::kLargest;
    units.shift.assign(Index(layer.size), 0);
    MemoryRectifiedLinear model{.amplitude = AmplitudeOf(network_, operation), .max_value = {}};
    const auto* product = std::get_if<ProductOperation>(&KindOf(operation));
    if (product != nullptr) {
      SetProduct(operation, *product, units);
    }
    bool negative = std::any_of(units.output_scale.begin(), units.output_scale.end(),
                                [](double scale) { return scale < 0; });
    for (const Path& path : paths_[Index(operation)]) {
      if (Status status = AddCells(path, layer, units); !status.ok()) {
        return status;
      }
      const std::int64_t source = plan_.populations[Index(population_of_[Index(path.source)])].layer;
      const Layer& sender = plan_.layers[Index(source)];
      // A start below 0 may make a function negative.
      negative = negative || SendsNegative(sender) || IsFunction(sender);
    }
    model.negative_slope = negative ? 1 : 0;
    units.model = model;
    layer.kind = std::move(units);
    Emit(std::move(layer));
    return {};
  }

  void SetProduct(std::int64_t operation, const ProductOperation& product, NeuronLayer& units) const {
    units.counts = NeuronLayer::Counts::kProduct;
    units.output_scale = network_.Expand(product.output_scale, operation, 1);
    double factor = 1 / product.amplitude;
    for (const Incoming& incoming : network_.incoming(operation)) {
      factor *= AmplitudeOf(network_, incoming.source);
    }
    for (double& scale : units.output_scale) {
      scale *= factor;
    }
  }

  Status AddCells(const Path& path, Layer& layer, NeuronLayer& units) const {
    std::vector<std::uint8_t> zeros;
    Result<kernels::Product> product =
        LowerCells(network_, path.source, path.chain, kMaxComposedWeights, zeros);
    if (!product.ok()) {
      return product.status();
    }
    if (paths_[Index(layer.operation)].size() == 1) {
      units.zeros = std::move(zeros);
    }
    units.slots.push_back(path.chain.back().slot);
    layer.terms.push_back({population_of_[Index(path.source)], std::nullopt, std::move(product).value(), 0});
    return {};
  }

  // What other layers can read of the layer, if anything.
  std::optional<Population> Emission(const Layer& layer) const {
    Population population{.operation = layer.operation,
                          .size = layer.size,
                          .layer = static_cast<std::int64_t>(plan_.layers.size())};
    return std::visit(Overloaded{[&](const NeuronLayer& neurons) {
                                   population.spiking = IsSpiking(neurons.model);
                                   population.amplitude = SpikeAmplitude(neurons.model);
                                   return std::optional(population);
                                 },
                                 [](const LinearLayer&) { return std::optional<Population>(); },
                                 [](const ActivationLayer&) { return std::optional<Population>(); }},
                      layer.kind);
  }

  void AddEmission(const Population& population) {
    plan_.layers.back().population = AddPopulation(population);  // its emissions carry no constant
    if (population.spiking) {
      plan_.spiking_layers.push_back(population.layer);
      plan_.spiking.push_back({network_.definition().operations[Index(population.operation)].name,
                               population.size, HasMemory(plan_.layers.back())});
    }
  }

  // Lowers the paths to the operation into the terms of the layer.
  Status AddLayer(std::int64_t operation, Layer layer) {
    layer.operation = operation;
    layer.size = network_.size(operation);
    if (std::holds_alternative<InputOperation>(KindOf(operation))) {
      layer.sink = false;  // a probed Input has no weights
    }
    std::vector<MemoryTerm> memory;
    for (const Path& path : paths_[Index(operation)]) {
      if (Status status = AddTerm(path, layer, memory); !status.ok()) {
        return status;
      }
    }
    layer.constant = constants_[Index(operation)];
    for (const double value : layer.constant) {
      if (!std::isfinite(value)) {
        return InvalidArgument("the biases on the way to '" +
                               network_.definition().operations[Index(operation)].name + "' add up to " +
                               std::to_string(value) + "; wanted: a finite float64");
      }
    }
    if (HasMemory(layer)) {
      if (Status status = CutRows(memory, layer); !status.ok()) {
        return status;
      }
    }
    Emit(std::move(layer));
    return {};
  }

  void Emit(Layer layer) {
    layer_of_[Index(layer.operation)] = static_cast<std::int64_t>(plan_.layers.size());
    const std::optional<Population> emission = Emission(layer);
    plan_.layers.push_back(std::move(layer));
    if (emission) {
      AddEmission(*emission);
    }
  }

  // Lowers a path into a term. Of a layer with memory `memory` gets what the term's rows are cut from.
  Status AddTerm(const Path& path, Layer& layer, std::vector<MemoryTerm>& memory) {
    const std::int64_t source = population_of_[Index(path.source)];
    const Population& population = plan_.populations[Index(source)];
    const auto* input = std::get_if<InputOperation>(&KindOf(population.operation));
    WeightForms forms{.integers = population.spiking || (input != nullptr && input->uint8_scale),
                      .floats = !population.spiking,
                      .largest_integer = population.spiking ? largest_weight_ : kExactLargestWeight};
    forms.stopped = &stopped_;
    MemoryTerm term;
    forms.doubles = HasMemory(layer) ? &term.weights : nullptr;
    Result<kernels::Product> product =
        LowerChain(network_, path.source, path.chain, forms, kMaxComposedWeights);
    if (product.ok() && HasMemory(layer) && !HasGainPerRow(*NeuronsOf(layer), product.value())) {
      forms.sparse = true;
      product = LowerChain(network_, path.source, path.chain, forms, kMaxComposedWeights);
    }
    if (!product.ok()) {
      return product.status();
    }
    if (HasMemory(layer)) {
      term.unit = population.spiking ? population.amplitude : DefaultDt(network_.definition());
      term.unit *= input != nullptr ? input->uint8_scale.value_or(1) : 1;
      memory.push_back(std::move(term));
    }
    layer.terms.push_back({source, path.synapse, std::move(product).value(), path.delay_steps});
    return {};
  }

  Status CutRows(std::span<const MemoryTerm> memory, Layer& layer) const {
    const std::string& name = network_.definition().operations[Index(layer.operation)].name;
    const NeuronLayer& neurons = *NeuronsOf(layer);
    const auto negative =
        std::find_if(neurons.gain.begin(), neurons.gain.end(), [](double gain) { return !(gain > 0); });
    const auto* rectified = std::get_if<MemoryRectifiedLinear>(&neurons.model);
    if (rectified != nullptr && rectified->max_value && negative != neurons.gain.end()) {
      return InvalidArgument("the gain of neuron " + std::to_string(negative - neurons.gain.begin()) +
                             " of '" + name + "' is " + std::to_string(*negative) +
                             "; neurons with a max_value want gains > 0");
    }
    const bool spikes = std::any_of(layer.terms.begin(), layer.terms.end(), [this](const Term& term) {
      return plan_.populations[Index(term.population)].spiking;
    });
    const std::int64_t bad = CutMemoryRows(memory, spikes ? largest_weight_ : kExactLargestWeight,
                                           DefaultDt(network_.definition()), layer);
    return bad < 0 ? Status()
                   : InvalidArgument(
                         "neuron " + std::to_string(bad) + " of '" + name +
                         "' receives 2^20 spikes or more (fast mode: 2^14, int8: 2^6) for one that is sent "
                         "to it, "
                         "or by its bias; neurons with memory want less: lower its gain or bias, or the "
                         "amplitude of its sources");
  }

  void AddProbes() {
    for (std::size_t i = 0; i < network_.definition().probes.size(); ++i) {
      const ProbeDefinition& probe = network_.definition().probes[i];
      const std::int64_t target = network_.probe_target(static_cast<std::int64_t>(i));
      plan_.probes.push_back({probe.quantity, layer_of_[Index(target)], network_.size(target), probe.synapse,
                              probe.delay_steps});
    }
  }

  void CountFanOut() {
    for (const Population& population : plan_.populations) {
      plan_.fan_out.emplace_back(population.spiking ? Index(population.size) : 0, 0);
    }
    for (const Layer& layer : plan_.layers) {
      for (const Term& term : layer.terms) {
        std::vector<std::int64_t>& total = plan_.fan_out[Index(term.population)];
        if (layer.sink && !total.empty()) {
          const auto part = kernels::FanOut(term.product, static_cast<std::int64_t>(total.size()));
          std::transform(part.begin(), part.end(), total.begin(), total.begin(), std::plus<>());
        }
      }
    }
  }

  const Network& network_;
  const StopCheck& stopped_;
  const std::int32_t largest_weight_;
  Plan plan_;
  Paths paths_;
  std::vector<std::vector<double>> constants_;  // [operation]
  std::vector<bool> probed_, read_;             // [operation]: by a probe, by another operation
  std::vector<std::int64_t> layer_of_, population_of_;
};

}  // namespace

Result<Plan> Compile(std::shared_ptr<const Network> network, const StopCheck& stopped,
                     std::int32_t largest_weight) {
  return Compiler(std::move(network), stopped, largest_weight).Run();
}

}  // namespace spikeserve::engine
