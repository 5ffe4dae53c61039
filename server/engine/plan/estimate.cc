#include "server/engine/plan/estimate.h"

#include <algorithm>
#include <optional>

#include "kernels/math/lanes.h"
#include "server/engine/network/index.h"
#include "server/engine/network/neuron_models.h"
#include "server/engine/plan/lowering.h"
#include "server/engine/plan/paths.h"

namespace spikeserve::engine {
namespace {

// Weights as integers, as floats and as readout floats, and while they are built as doubles, twice.
constexpr double kBytesPerWeight = 4 + 4 + 4 + 16;
// As integers and floats, and for the vector kernels as floats, doubles and digits: these padded to kLaneUnit
// outputs.
constexpr double kBytesPerKeptWeight = 4 + 4;
constexpr double kBytesPerPackedWeight = 4 + 8 + 4;
// Row, integer, float and readout float, and while a matrix is composed its old and new entries.
constexpr double kBytesPerEntry = 16 + 2 * sizeof(Entry);
constexpr double kBytesPerElement = 96;  // constants, index maps and fan-outs of one operation

// Sums in double: what a client may ask for can pass an int64.
class Estimator {
 public:
  explicit Estimator(const Network& network) : network_(network) {}

  // What the rows of a layer with memory are cut from, besides. `by_position`: they differ between positions
  // of a convolution, so that all of them are composed.
  double MemoryBytes(const Path& path, bool by_position) const {
    constexpr double kBytesPerDouble = 8;
    double weights = 0;
    for (const Link& link : path.chain) {
      weights += Weights(link);
    }
    const auto split = FirstWeighted(path);
    if (split != path.chain.end()) {
      weights = std::max(weights, StructuredWeights(split, path.chain.end()).value_or(0));
    }
    const double composed = PeakEntries(path.source, path.chain.begin(), path.chain.end());
    return by_position ? (kBytesPerEntry + kBytesPerDouble) * composed
                       : kBytesPerDouble * std::max(weights, weights > 0 ? 0 : composed);
  }

  double PathBytes(const Path& path) const {
    const auto split = FirstWeighted(path);
    const std::optional<double> weights =
        split == path.chain.end() ? std::nullopt : StructuredWeights(split, path.chain.end());
    if (!weights) {
      return kBytesPerEntry * PeakEntries(path.source, path.chain.begin(), path.chain.end());
    }
    // Where the first part turns out not to be a plain gather, the whole chain is composed after all.
    const bool uniform =
        std::all_of(path.chain.begin(), split, [this](const Link& link) { return IsUniform(link); });
    const auto end = uniform ? split : path.chain.end();
    constexpr double kBytesPerComposed = 8;  // the doubles before the last matrix
    const bool more = *weights != Weights(*split);
    return BytesPerWeight(*split) * *weights + (more ? kBytesPerComposed * *weights : 0) +
           kBytesPerEntry * PeakEntries(path.source, path.chain.begin(), end);
  }

 private:
  using Iterator = std::vector<Link>::const_iterator;

  const OperationKind& KindOf(const Link& link) const {
    return network_.definition().operations[Index(link.operation)].kind;
  }

  double BytesPerWeight(const Link& link) const {
    const std::int64_t outputs = network_.shape(link.operation).back();
    const double padding = static_cast<double>(kernels::PadLanes(outputs)) /
                           static_cast<double>(std::max<std::int64_t>(outputs, 1));
    return std::max(kBytesPerWeight, kBytesPerKeptWeight + kBytesPerPackedWeight * padding);
  }

  // 0 for operations without a weight matrix.
  double Weights(const Link& link) const {
    if (const auto* affine = std::get_if<AffineOperation>(&KindOf(link))) {
      return static_cast<double>(ElementCount(network_.tensor(affine->weight).shape));
    }
    if (const auto* conv = std::get_if<ConvOperation>(&KindOf(link))) {
      return static_cast<double>(ElementCount(network_.tensor(conv->weight).shape));
    }
    return 0;
  }

  double FanIn(const Link& link) const {
    if (const auto* pool = std::get_if<PoolOperation>(&KindOf(link))) {
      return static_cast<double>(ElementCount(pool->window));
    }
    const double weights = Weights(link);
    return weights > 0 ? weights / static_cast<double>(network_.shape(link.operation).back()) : 1;
  }

  // Whether every entry of the operation's matrix has the same weight.
  bool IsUniform(const Link& link) const {
    if (const auto* pool = std::get_if<PoolOperation>(&KindOf(link))) {
      const auto is_zero = [](std::int64_t pad) { return pad == 0; };
      return pool->count_include_pad ||
             (std::all_of(pool->pad_before.begin(), pool->pad_before.end(), is_zero) &&
              std::all_of(pool->pad_after.begin(), pool->pad_after.end(), is_zero));
    }
    const auto* scaling = std::get_if<ScaleShiftOperation>(&KindOf(link));
    return scaling == nullptr || ScaleCount(*scaling) == 1;
  }

  std::int64_t ScaleCount(const ScaleShiftOperation& scaling) const {
    return scaling.scale.empty() ? 1 : ElementCount(network_.tensor(scaling.scale).shape);
  }

  Iterator FirstWeighted(const Path& path) const {
    return std::find_if(path.chain.begin(), path.chain.end(),
                        [this](const Link& link) { return Weights(link) > 0; });
  }

  // The most weights that one product of what follows has on its way; nothing where more follows than
  // reshapes, scalings by one factor per row of the weights, and matrices over channels.
  std::optional<double> StructuredWeights(Iterator weighted, Iterator end) const {
    std::int64_t rows = network_.shape(weighted->operation).back();
    double weights = Weights(*weighted);
    const auto* conv = std::get_if<ConvOperation>(&KindOf(*weighted));
    const double fan_in = FanIn(*weighted) * static_cast<double>(conv != nullptr ? conv->groups : 1);
    for (auto link = weighted + 1; link != end; ++link) {
      const auto* scaling = std::get_if<ScaleShiftOperation>(&KindOf(*link));
      const bool per_row = scaling != nullptr && (ScaleCount(*scaling) == 1 || ScaleCount(*scaling) == rows);
      if (Weights(*link) > 0 && MixesChannels(network_, *link, rows, conv != nullptr)) {
        rows = network_.shape(link->operation).back();
        weights = std::max(weights, fan_in * static_cast<double>(rows));
      } else if (!per_row && !std::holds_alternative<ReshapeOperation>(KindOf(*link)) &&
                 !std::holds_alternative<WeightedSumOperation>(KindOf(*link))) {
        return std::nullopt;
      }
    }
    return weights <= static_cast<double>(kMaxComposedWeights) ? std::optional(weights) : std::nullopt;
  }

  double PeakEntries(std::int64_t source, Iterator begin, Iterator end) const {
    const auto columns = static_cast<double>(network_.size(source));
    double peak = columns;
    double fan_in = 1;
    for (auto link = begin; link != end; ++link) {
      fan_in = std::min(fan_in * FanIn(*link), columns);
      peak = std::max(peak, fan_in * static_cast<double>(network_.size(link->operation)));
    }
    return std::min(peak, static_cast<double>(kMaxComposedWeights));
  }

  const Network& network_;
};

bool HasGainByPosition(const Network& network, std::size_t operation, const NeuronOperation& neuron) {
  const auto* id = std::get_if<std::string>(&neuron.gain);
  const Shape& shape = network.shape(static_cast<std::int64_t>(operation));
  return id != nullptr && shape.size() > 1 && ElementCount(network.tensor(*id).shape) > shape.back();
}

}  // namespace

Result<std::int64_t> EstimatePlanBytes(const Network& network) {
  const Result<Paths> paths = FindPaths(network);
  if (!paths.ok()) {
    return paths.status();
  }
  const Estimator estimator(network);
  std::vector<bool> is_layer(paths.value().size());
  double bytes = 0;
  for (std::size_t i = 0; i < is_layer.size(); ++i) {
    is_layer[i] = HasUnits(network.definition().operations[i].kind);
    bytes += kBytesPerElement * static_cast<double>(network.size(static_cast<std::int64_t>(i)));
  }
  for (std::size_t i = 0; i < network.definition().probes.size(); ++i) {
    is_layer[Index(network.probe_target(static_cast<std::int64_t>(i)))] = true;
  }
  for (std::size_t i = 0; i < is_layer.size(); ++i) {
    const auto* neuron = std::get_if<NeuronOperation>(&network.definition().operations[i].kind);
    const bool remembers = neuron != nullptr && Remembers(neuron->model);
    for (const Path& path : is_layer[i] ? paths.value()[i] : std::vector<Path>{}) {
      bytes += remembers ? estimator.MemoryBytes(path, HasGainByPosition(network, i, *neuron)) : 0;
      bytes += estimator.PathBytes(path) + 64 * static_cast<double>(path.chain.size()) +
               kBytesPerElement * static_cast<double>(network.size(static_cast<std::int64_t>(i)));
    }
  }
  constexpr double kMost = 4611686018427387904.0;  // 2^62
  return static_cast<std::int64_t>(std::min(bytes, kMost));
}

}  // namespace spikeserve::engine
