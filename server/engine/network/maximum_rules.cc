#include "server/engine/network/maximum_rules.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/base/quote.h"
#include "server/engine/network/index.h"
#include "server/engine/network/neuron_models.h"

namespace spikeserve::engine {
namespace {

// What a value is made of.
struct Origin {
  std::set<double> amplitudes;  // of the units that it counts the spikes of
  std::string other;            // an operation that sends no such spikes; empty: none
  bool joined = false, padded = false;
};

class MaximumRules {
 public:
  MaximumRules(const Network& network, Violations& violations)
      : network_(network), violations_(violations), origins_(network.definition().operations.size()) {}

  void Check() {
    for (const std::int64_t operation : network_.order()) {
      origins_[Index(operation)] = OriginOf(operation);
      if (IsMaximum(Definition(operation).kind)) {
        CheckOne(operation);
      }
    }
  }

 private:
  const OperationDefinition& Definition(std::int64_t operation) const {
    return network_.definition().operations[Index(operation)];
  }

  Origin OriginOf(std::int64_t operation) const {
    const OperationDefinition& own = Definition(operation);
    if (const auto* neuron = std::get_if<NeuronOperation>(&own.kind)) {
      return Remembers(neuron->model) ? Origin{{SpikeAmplitude(neuron->model)}, {}, false, false}
                                      : Origin{{}, own.name, false, false};
    }
    const auto* pad = std::get_if<PadOperation>(&own.kind);
    const bool joins = std::holds_alternative<ConcatOperation>(own.kind);
    const bool passes = joins || pad != nullptr || IsMaximum(own.kind) ||
                        std::holds_alternative<ReshapeOperation>(own.kind) ||
                        std::holds_alternative<PermuteOperation>(own.kind);
    if (!passes) {
      return {{}, own.name, false, false};
    }
    Origin origin = Merge(operation);
    if (IsMaximum(own.kind)) {
      origin.joined = origin.padded = false;
    }
    origin.joined = origin.joined || joins;
    origin.padded = origin.padded || (pad != nullptr && AddsZeros(*pad));
    return origin;
  }

  Origin Merge(std::int64_t operation) const {
    Origin merged;
    for (const Incoming& incoming : network_.incoming(operation)) {
      const Origin& source = origins_[Index(incoming.source)];
      merged.amplitudes.insert(source.amplitudes.begin(), source.amplitudes.end());
      merged.other = merged.other.empty() ? source.other : merged.other;
      merged.joined = merged.joined || source.joined;
      merged.padded = merged.padded || source.padded;
      const ConnectionDefinition& connection = network_.definition().connections[Index(incoming.connection)];
      if (connection.synapse || connection.delay_steps != 0) {
        merged.other = "connection from " + connection.source + ", which has a synapse or a delay";
      }
    }
    return merged;
  }

  static bool AddsZeros(const PadOperation& pad) {
    const auto adds = [](std::int64_t cells) { return cells > 0; };
    return std::any_of(pad.before.begin(), pad.before.end(), adds) ||
           std::any_of(pad.after.begin(), pad.after.end(), adds);
  }

  void CheckOne(std::int64_t operation) {
    const std::string& name = Definition(operation).name;
    const Origin cells = Merge(operation);
    if (!cells.other.empty()) {
      violations_.Add("operation ", Quote(name), ": a MAX pool reads ", Quote(cells.other),
                      "; wanted: neurons with memory or MAX pools, directly or through Reshape, Permute, Pad "
                      "and Concat, without synapse and delay");
    } else if (cells.amplitudes.size() > 1) {
      violations_.Add("operation ", Quote(name), ": a MAX pool reads spikes of amplitudes ",
                      *cells.amplitudes.begin(), " and ", *cells.amplitudes.rbegin(),
                      "; wanted: one, or pools of their own before they are joined");
    } else if (cells.joined && cells.padded) {
      violations_.Add("operation ", Quote(name),
                      ": a MAX pool reads a Concat and a Pad with zeros; wanted: one of them");
    }
  }

  const Network& network_;
  Violations& violations_;
  std::vector<Origin> origins_;  // [operation]
};

}  // namespace

void CheckMaxima(const Network& network, Violations& violations) {
  MaximumRules(network, violations).Check();
}

double MaximumAmplitude(const Network& network, std::int64_t operation) {
  const NeuronOperation* neuron = nullptr;
  while (neuron == nullptr) {
    operation = network.incoming(operation).front().source;
    neuron = std::get_if<NeuronOperation>(&network.definition().operations[Index(operation)].kind);
  }
  return SpikeAmplitude(neuron->model);
}

}  // namespace spikeserve::engine
