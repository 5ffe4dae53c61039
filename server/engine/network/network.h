#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/base/status.h"
#include "server/engine/network/network_definition.h"

namespace spikeserve::engine {

// Upper bounds on what a network may ask for. Each has a server flag.
struct NetworkLimits {
  std::int64_t max_operations = 1024;
  std::int64_t max_connections = 4096;
  std::int64_t max_probes = 256;
  std::int64_t max_dimension = 65536;
  std::int64_t max_elements = std::int64_t{1} << 24;    // of one operation's output
  std::int64_t max_neurons = std::int64_t{1} << 26;     // of the network
  std::int64_t max_parameters = std::int64_t{1} << 28;  // of the network
  std::int64_t max_synapses = std::int64_t{1} << 32;    // of one operation: outputs times fan-in
};

// No operation refers to more; a definition with more of them holds some for nothing.
inline constexpr std::int64_t kMaxTensorsPerOperation = 8;

// Where an operation gets an input from.
struct Incoming {
  std::int64_t source = 0;      // operation index
  std::int64_t connection = 0;  // connection index
};

// A checked, immutable graph: holding one proves that names, shapes, parameters and references are
// valid and that there is no cycle. Immutable, hence thread-safe.
class Network {
 public:
  // INVALID_ARGUMENT lists every violation, one per line; RESOURCE_EXHAUSTED where a limit is passed.
  static Result<Network> Create(NetworkDefinition definition, const NetworkLimits& limits);

  const NetworkDefinition& definition() const { return definition_; }
  // Output shape of operation `index`.
  const Shape& shape(std::int64_t index) const { return shapes_[static_cast<std::size_t>(index)]; }
  // Elements of the output of operation `index`.
  std::int64_t size(std::int64_t index) const;
  // Inputs of operation `index`, in the order of the connections.
  const std::vector<Incoming>& incoming(std::int64_t index) const {
    return incoming_[static_cast<std::size_t>(index)];
  }
  // Operation indices, sources before targets.
  const std::vector<std::int64_t>& order() const { return order_; }
  // Indices of the Input operations, in the order of the definition.
  const std::vector<std::int64_t>& inputs() const { return inputs_; }
  // Index of the operation with this name; -1 where there is none.
  std::int64_t Find(const std::string& name) const;
  // Operation that probe `index` reads.
  std::int64_t probe_target(std::int64_t index) const {
    return probe_targets_[static_cast<std::size_t>(index)];
  }
  // Indices of the OUTPUT probes, in the order of the definition; the first gives the class of a sample.
  const std::vector<std::int64_t>& output_probes() const { return output_probes_; }
  // The tensor with this id, which exists for every id the network refers to.
  const TensorDefinition& tensor(const std::string& id) const;
  // Its values, widened.
  std::vector<double> Values(const std::string& id) const;
  // A gain or bias as one value per element of operation `index`.
  std::vector<double> Expand(const Parameter& parameter, std::int64_t index, double absent) const;

  std::int64_t neurons() const { return neurons_; }
  std::int64_t parameters() const { return parameters_; }
  // What a step without any shortcut takes: products with a weight, and elements that are passed on.
  std::int64_t synapses() const { return synapses_; }
  // What the definition takes in memory, about.
  std::int64_t bytes() const;

 private:
  friend class NetworkBuilder;
  Network() = default;

  NetworkDefinition definition_;
  std::vector<Shape> shapes_;
  std::vector<std::vector<Incoming>> incoming_;
  std::vector<std::int64_t> order_;
  std::vector<std::int64_t> inputs_;
  std::vector<std::int64_t> probe_targets_;
  std::vector<std::int64_t> output_probes_;
  std::unordered_map<std::string, std::size_t> tensor_index_;
  std::int64_t neurons_ = 0;
  std::int64_t parameters_ = 0;
  std::int64_t synapses_ = 0;
};

// Product of the dimensions; -1 on overflow or a negative dimension.
std::int64_t ElementCount(const Shape& shape);

// "12x3x4" for messages.
std::string ToString(const Shape& shape);

}  // namespace spikeserve::engine
