#include "server/engine/network/count_rules.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/engine/network/index.h"
#include "server/engine/network/names.h"
#include "server/engine/network/neuron_models.h"

namespace spikeserve::engine {
namespace {

// What a value is made of.
struct Origin {
  std::set<double> amplitudes;  // of the units that it counts the spikes of
  std::string other;            // an operation that sends no such spikes; empty: none
  bool joined = false, padded = false;
};

class CountRules {
 public:
  CountRules(const Network& network, Violations& violations)
      : network_(network), violations_(violations), origins_(network.definition().operations.size()) {}

  void Check() {
    for (const std::int64_t operation : network_.order()) {
      origins_[Index(operation)] = OriginOf(operation);
      if (ReadsCounts(Definition(operation).kind)) {
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
    if (const auto* product = std::get_if<ProductOperation>(&own.kind)) {
      return {{product->amplitude}, {}, false, false};
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
      const Origin source = OriginOf(incoming);
      merged.amplitudes.insert(source.amplitudes.begin(), source.amplitudes.end());
      merged.other = merged.other.empty() ? source.other : merged.other;
      merged.joined = merged.joined || source.joined;
      merged.padded = merged.padded || source.padded;
    }
    return merged;
  }

  Origin OriginOf(const Incoming& incoming) const {
    Origin origin = origins_[Index(incoming.source)];
    const ConnectionDefinition& connection = network_.definition().connections[Index(incoming.connection)];
    if (connection.synapse || connection.delay_steps != 0) {
      origin.other = connection.source + " through a synapse or a delay";
    }
    return origin;
  }

  static bool AddsZeros(const PadOperation& pad) {
    const auto adds = [](std::int64_t cells) { return cells > 0; };
    return std::any_of(pad.before.begin(), pad.before.end(), adds) ||
           std::any_of(pad.after.begin(), pad.after.end(), adds);
  }

  void CheckOne(std::int64_t operation) {
    for (const Incoming& incoming : network_.incoming(operation)) {
      CheckCells(Quote(Definition(operation).name), OriginOf(incoming));
    }
  }

  void CheckCells(const std::string& name, const Origin& cells) {
    if (!cells.other.empty()) {
      violations_.Add("operation ", name, ": a MAX pool or a Product reads ", Quote(cells.other),
                      "; wanted: neurons with memory, MAX pools or Products, directly or through Reshape, "
                      "Permute, Pad and Concat, without synapse and delay");
    } else if (cells.amplitudes.size() > 1) {
      violations_.Add("operation ", name, ": a MAX pool or a Product reads spikes of amplitudes ",
                      *cells.amplitudes.begin(), " and ", *cells.amplitudes.rbegin(),
                      " by one connection; wanted: one, or the operation before they are joined");
    } else if (cells.joined && cells.padded) {
      violations_.Add("operation ", name,
                      ": a MAX pool or a Product reads a Concat and a Pad with zeros; wanted: one of them");
    }
  }

  const Network& network_;
  Violations& violations_;
  std::vector<Origin> origins_;  // [operation]
};

}  // namespace

void CheckCountReaders(const Network& network, Violations& violations) {
  CountRules(network, violations).Check();
}

double AmplitudeOf(const Network& network, std::int64_t operation) {
  for (;;) {
    const OperationKind& kind = network.definition().operations[Index(operation)].kind;
    if (const auto* neuron = std::get_if<NeuronOperation>(&kind)) {
      return SpikeAmplitude(neuron->model);
    }
    if (const auto* product = std::get_if<ProductOperation>(&kind)) {
      return product->amplitude;
    }
    // All of them have one, as CheckCountReaders sees to.
    operation = network.incoming(operation).front().source;
  }
}

}  // namespace spikeserve::engine
