// Network::Create: every check that does not belong to one operation's shape.

#include <algorithm>
#include <cmath>
#include <set>

#include "server/engine/network/count_rules.h"
#include "server/engine/network/names.h"
#include "server/engine/network/network.h"
#include "server/engine/network/neuron_models.h"
#include "server/engine/network/neuron_rules.h"
#include "server/engine/network/outline.h"
#include "server/engine/network/shape_rules.h"
#include "server/engine/network/synapse_filter.h"
#include "server/engine/network/synapse_rules.h"
#include "server/engine/network/tensor_rules.h"
#include "server/engine/network/violations.h"

namespace spikeserve::engine {
namespace {

constexpr std::size_t kMaxRank = 8;  // of what an operation gives

}  // namespace

// Builds a Network step by step. A step goes on where one before it has found something wrong, but leaves out
// what that makes meaningless, so that one answer names all violations and no consequence of them.
// One thread, one use.
class NetworkBuilder final : public TensorTable {
 public:
  NetworkBuilder(NetworkDefinition definition, const NetworkLimits& limits) : limits_(limits) {
    network_.definition_ = std::move(definition);
  }

  Result<Network> Build() {
    CheckCounts();
    if (!violations_.empty()) {
      return violations_.ToStatus();  // not the time to look at everything
    }
    CheckTensors();
    CheckNames();
    CheckNeurons();
    Connect();
    CheckProbeFilters();
    Sort();
    InferShapes();
    CheckProbes();
    CheckDefaults();
    CheckSinks();
    if (violations_.empty()) {
      CheckCountReaders(network_, violations_);
    }
    if (!violations_.empty()) {
      return violations_.ToStatus();
    }
    return std::move(network_);
  }

  // A copy without values, made part by part so that they are not copied first.
  static Network Outline(const Network& network) {
    Network outline;
    outline.definition_.format_version = network.definition_.format_version;
    outline.definition_.operations = network.definition_.operations;
    outline.definition_.connections = network.definition_.connections;
    outline.definition_.probes = network.definition_.probes;
    outline.definition_.defaults = network.definition_.defaults;
    for (const TensorDefinition& tensor : network.definition_.tensors) {
      outline.definition_.tensors.push_back({tensor.id, tensor.shape, tensor.type, {}});
    }
    outline.shapes_ = network.shapes_;
    outline.incoming_ = network.incoming_;
    outline.order_ = network.order_;
    outline.inputs_ = network.inputs_;
    outline.probe_targets_ = network.probe_targets_;
    outline.output_probes_ = network.output_probes_;
    outline.tensor_index_ = network.tensor_index_;
    outline.neurons_ = network.neurons_;
    outline.parameters_ = network.parameters_;
    outline.synapses_ = network.synapses_;
    return outline;
  }

  const TensorDefinition* Require(const std::string& id, const std::string& where) const override {
    const auto found = network_.tensor_index_.find(id);
    if (found == network_.tensor_index_.end()) {
      violations_.Add(where, " names tensor ", Quote(id), ", which the network does not have");
      return nullptr;
    }
    return bad_tensors_.count(id) > 0 ? nullptr : &network_.definition_.tensors[found->second];
  }

 private:
  const NetworkDefinition& Definition() const { return network_.definition_; }

  void CheckCounts() {
    if (Definition().format_version != 1) {
      violations_.Add("format_version is ", Definition().format_version, ", this server reads 1");
    }
    CheckCount("operations", Definition().operations.size(), limits_.max_operations);
    CheckCount("connections", Definition().connections.size(), limits_.max_connections);
    CheckCount("probes", Definition().probes.size(), limits_.max_probes);
    CheckCount("tensors", Definition().tensors.size(), kMaxTensorsPerOperation * limits_.max_operations);
  }

  void CheckCount(const char* what, std::size_t count, std::int64_t limit) {
    if (static_cast<std::int64_t>(count) > limit) {
      violations_.AddLimit(what, ": got ", count, ", this server allows ", limit);
    }
  }

  void CheckTensors() {
    for (std::size_t i = 0; i < Definition().tensors.size(); ++i) {
      const TensorDefinition& tensor = Definition().tensors[i];
      const bool unique = network_.tensor_index_.emplace(tensor.id, i).second;
      if (!unique || !IsName(tensor.id)) {
        violations_.Add("tensor ", i, ": id ", Quote(tensor.id), " is not a name or not unique");
      }
      if (CheckTensor(tensor, violations_)) {
        network_.parameters_ += ElementCount(tensor.shape);
      } else {
        bad_tensors_.insert(tensor.id);
      }
    }
    if (network_.parameters_ > limits_.max_parameters) {
      violations_.AddLimit("parameters: got ", network_.parameters_, ", this server allows ",
                           limits_.max_parameters, " (--max-parameters)");
    }
  }

  void CheckNames() {
    unclear_.resize(Definition().operations.size());
    for (std::size_t i = 0; i < Definition().operations.size(); ++i) {
      const std::string& name = Definition().operations[i].name;
      const auto [place, unique] = operation_index_.emplace(name, static_cast<std::int64_t>(i));
      if (!unique || !IsName(name)) {
        violations_.Add("operation ", i, ": name ", Quote(name),
                        " must be 1..128 of [A-Za-z0-9._/:-] and unique");
      }
      if (!unique) {
        unclear_[i] = unclear_[static_cast<std::size_t>(place->second)] = true;
      }
      if (std::holds_alternative<InputOperation>(Definition().operations[i].kind)) {
        network_.inputs_.push_back(static_cast<std::int64_t>(i));
      }
    }
    if (network_.inputs_.empty()) {
      violations_.Add("the network has no Input operation");
    }
  }

  void Connect() {
    network_.incoming_.resize(Definition().operations.size());
    for (std::size_t i = 0; i < Definition().connections.size(); ++i) {
      const ConnectionDefinition& connection = Definition().connections[i];
      const std::int64_t source = Lookup(connection.source, "connection", i, "source");
      const std::int64_t target = Lookup(connection.target, "connection", i, "target");
      if (source < 0 || target < 0) {
        if (target >= 0) {
          unclear_[static_cast<std::size_t>(target)] = true;
        }
        continue;
      }
      network_.incoming_[static_cast<std::size_t>(target)].push_back({source, static_cast<std::int64_t>(i)});
      CheckSynapse(connection.synapse, connection.delay_steps, DefaultDt(Definition()),
                   Join("connection ", i), violations_);
      if ((connection.synapse || connection.delay_steps != 0) && !IsPopulation(KindOf(source))) {
        violations_.Add("connection ", i, ": has a synapse or a delay, but its source ",
                        Quote(connection.source), " is neither an Input, a Neuron, a MAX pool nor a Product");
      }
    }
  }

  std::int64_t Lookup(const std::string& name, const char* what, std::size_t index, const char* field) {
    const auto found = operation_index_.find(name);
    if (found == operation_index_.end()) {
      violations_.Add(what, " ", index, ": ", field, " names operation ", Quote(name),
                      ", which the network does not have");
      return -1;
    }
    return found->second;
  }

  const OperationKind& KindOf(std::int64_t index) const {
    return Definition().operations[static_cast<std::size_t>(index)].kind;
  }

  void CheckNeurons() {
    for (const OperationDefinition& operation : Definition().operations) {
      if (const auto* neuron = std::get_if<NeuronOperation>(&operation.kind)) {
        CheckNeuron(*neuron, "operation " + Quote(operation.name), violations_);
      }
    }
  }

  void CheckProbeFilters() {
    for (const ProbeDefinition& probe : Definition().probes) {
      CheckSynapse(probe.synapse, probe.delay_steps, DefaultDt(Definition()), "probe " + Quote(probe.name),
                   violations_);
    }
  }

  // Kahn's algorithm; what is left over lies on a cycle.
  void Sort() {
    const std::size_t count = Definition().operations.size();
    std::vector<std::vector<std::int64_t>> targets(count);
    std::vector<std::size_t> missing(count);
    for (std::size_t i = 0; i < count; ++i) {
      missing[i] = network_.incoming_[i].size();
      for (const Incoming& incoming : network_.incoming_[i]) {
        targets[static_cast<std::size_t>(incoming.source)].push_back(static_cast<std::int64_t>(i));
      }
    }
    std::vector<std::int64_t>& order = network_.order_;
    for (std::size_t i = 0; i < count; ++i) {
      if (missing[i] == 0) {
        order.push_back(static_cast<std::int64_t>(i));
      }
    }
    for (std::size_t next = 0; next < order.size(); ++next) {
      for (const std::int64_t target : targets[static_cast<std::size_t>(order[next])]) {
        if (--missing[static_cast<std::size_t>(target)] == 0) {
          order.push_back(target);
        }
      }
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (missing[i] > 0) {
        violations_.Add("operation ", Quote(Definition().operations[i].name), ": lies on or behind a cycle");
      }
    }
  }

  void InferShapes() {
    network_.shapes_.resize(Definition().operations.size());
    for (const std::int64_t index : network_.order_) {
      const OperationDefinition& operation = Definition().operations[static_cast<std::size_t>(index)];
      std::vector<Shape> inputs;
      for (const Incoming& incoming : network_.incoming(index)) {
        inputs.push_back(network_.shape(incoming.source));
      }
      if (std::any_of(inputs.begin(), inputs.end(), [](const Shape& shape) { return shape.empty(); })) {
        continue;  // the source's violation is already on the list
      }
      if (unclear_[static_cast<std::size_t>(index)]) {
        continue;
      }
      std::optional<Shape> shape = InferShape(operation.kind, {operation.name, inputs, *this, violations_});
      if (shape && CheckSize(operation, *shape)) {
        network_.shapes_[static_cast<std::size_t>(index)] = std::move(*shape);
      }
    }
    if (network_.neurons_ > limits_.max_neurons) {
      violations_.AddLimit("neurons: got ", network_.neurons_, ", this server allows ", limits_.max_neurons,
                           " (--max-neurons)");
    }
  }

  bool CheckSize(const OperationDefinition& operation, const Shape& shape) {
    if (shape.size() > kMaxRank) {
      violations_.AddLimit("operation ", Quote(operation.name), ": output shape has ", shape.size(),
                           " dimensions, allowed are ", kMaxRank);
      return false;
    }
    for (const std::int64_t dimension : shape) {
      if (dimension < 1) {
        violations_.Add("operation ", Quote(operation.name), ": output shape ", ToString(shape),
                        " has a dimension below 1");
        return false;
      }
      if (dimension > limits_.max_dimension) {
        violations_.AddLimit("operation ", Quote(operation.name), ": output shape ", ToString(shape),
                             " has a dimension above ", limits_.max_dimension, " (--max-dimension)");
        return false;
      }
    }
    const std::int64_t count = ElementCount(shape);
    if (count < 0 || count > limits_.max_elements) {
      violations_.AddLimit("operation ", Quote(operation.name), ": output shape ", ToString(shape),
                           " has more than ", limits_.max_elements, " elements (--max-elements)");
      return false;
    }
    if (HasUnits(operation.kind)) {
      network_.neurons_ += count;
    }
    return CheckSynapses(operation, count);
  }

  // Bounds the work of a pass over the network, which grows with neither its weights nor its outputs alone.
  bool CheckSynapses(const OperationDefinition& operation, std::int64_t count) {
    std::int64_t fan_in = 1;
    if (const auto* pool = std::get_if<PoolOperation>(&operation.kind)) {
      fan_in = ElementCount(pool->window);
    } else if (const auto* conv = std::get_if<ConvOperation>(&operation.kind)) {
      const Shape& shape = network_.tensor(conv->weight).shape;
      fan_in = ElementCount({shape.begin() + 1, shape.end()});
    } else if (const auto* affine = std::get_if<AffineOperation>(&operation.kind)) {
      fan_in = network_.tensor(affine->weight).shape[1];
    }
    if (fan_in >= 0) {
      fan_in += TapsInto(Definition(), network_.incoming(operation_index_.at(operation.name)));
    }
    std::int64_t synapses = 0;
    if (fan_in < 0 || __builtin_mul_overflow(fan_in, count, &synapses) ||
        synapses > limits_.max_synapses - network_.synapses_) {
      violations_.AddLimit("operation ", Quote(operation.name), ": ", count, " outputs with a fan-in of ",
                           fan_in, " bring the network above the limit of ", limits_.max_synapses,
                           " synapses (--max-synapses)");
      return false;
    }
    network_.synapses_ += synapses;
    return true;
  }

  void CheckProbes() {
    if (Definition().probes.empty()) {
      violations_.Add("the network has no probe");
    }
    std::unordered_map<std::string, std::size_t> names;
    for (std::size_t i = 0; i < Definition().probes.size(); ++i) {
      const ProbeDefinition& probe = Definition().probes[i];
      if (!IsName(probe.name) || !names.emplace(probe.name, i).second) {
        violations_.Add("probe ", i, ": name ", Quote(probe.name), " is not a name or not unique");
      }
      const std::int64_t target = Lookup(probe.target, "probe", i, "target");
      network_.probe_targets_.push_back(target);
      if (probe.quantity == ProbeQuantity::kOutput) {
        network_.output_probes_.push_back(static_cast<std::int64_t>(i));
      }
      if (target >= 0) {
        CheckQuantity(probe, target);
      }
    }
  }

  void CheckQuantity(const ProbeDefinition& probe, std::int64_t target) {
    if (probe.quantity == ProbeQuantity::kUnspecified) {
      violations_.Add("probe ", Quote(probe.name), ": quantity is not set or unknown");
      return;
    }
    if (probe.quantity == ProbeQuantity::kOutput) {
      return;
    }
    const auto* neuron = std::get_if<NeuronOperation>(&KindOf(target));
    if (!SendsSpikes(KindOf(target))) {
      violations_.Add("probe ", Quote(probe.name), ": reads spikes or voltage of ", Quote(probe.target),
                      ", which is neither a spiking Neuron, a MAX pool nor a Product");
    } else if (probe.quantity == ProbeQuantity::kVoltage &&
               (neuron == nullptr || !HasVoltage(neuron->model))) {
      violations_.Add("probe ", Quote(probe.name), ": reads the voltage of ", Quote(probe.target),
                      ", which has none");
    }
  }

  void CheckDefaults() {
    const RunDefaults& defaults = Definition().defaults;
    if (!(defaults.dt >= 0) || !std::isfinite(defaults.dt)) {
      violations_.Add("defaults: dt is ", defaults.dt, " s, wanted > 0, or 0 for 0.001");
    }
    if (defaults.steps < 0 || defaults.readout.skip_steps < 0) {
      violations_.Add("defaults: steps is ", defaults.steps, " and skip_steps ", defaults.readout.skip_steps,
                      ", wanted >= 0");
    }
  }

  // An Activation is a sink, so that nothing downstream of it has to be linear.
  void CheckSinks() {
    for (const ConnectionDefinition& connection : Definition().connections) {
      const auto source = operation_index_.find(connection.source);
      if (source != operation_index_.end() &&
          std::holds_alternative<ActivationOperation>(KindOf(source->second))) {
        violations_.Add("operation ", Quote(connection.source),
                        ": is an Activation and may only be probed, but ", Quote(connection.target),
                        " reads it");
      }
    }
  }

  const NetworkLimits limits_;
  Network network_;
  std::unordered_map<std::string, std::int64_t> operation_index_;
  std::set<std::string> bad_tensors_;
  std::vector<bool> unclear_;  // [operation]: which connections are meant for it
  mutable Violations violations_;
};

Result<Network> Network::Create(NetworkDefinition definition, const NetworkLimits& limits) {
  return NetworkBuilder(std::move(definition), limits).Build();
}

Network OutlineOf(const Network& network) { return NetworkBuilder::Outline(network); }

}  // namespace spikeserve::engine
