#include "server/engine/plan/paths.h"

#include <string>

#include "server/engine/network/index.h"

namespace spikeserve::engine {
namespace {

// A real network has a few paths per operation and a few links per path.
constexpr std::size_t kMaxPaths = 4096;
constexpr std::size_t kMaxLinks = std::size_t{1} << 20;  // of all paths together

// One search. One thread, one use.
class PathFinder {
 public:
  explicit PathFinder(const Network& network)
      : network_(network), paths_(network.definition().operations.size()) {}

  Result<Paths> Run() {
    for (const std::int64_t operation : network_.order()) {
      if (std::holds_alternative<InputOperation>(KindOf(operation))) {
        paths_[Index(operation)] = {{operation, std::nullopt, 0, {}}};
      } else if (Status status = Collect(operation); !status.ok()) {
        return status;
      }
    }
    return std::move(paths_);
  }

 private:
  const OperationKind& KindOf(std::int64_t operation) const {
    return network_.definition().operations[Index(operation)].kind;
  }

  Status Collect(std::int64_t operation) {
    const OperationKind& kind = KindOf(operation);
    const bool linear = !IsPopulation(kind) && !std::holds_alternative<ActivationOperation>(kind);
    const bool linked = linear || ReadsCounts(kind);
    std::vector<Path>& paths = paths_[Index(operation)];
    const std::vector<Incoming>& incoming = network_.incoming(operation);
    for (std::size_t slot = 0; slot < incoming.size(); ++slot) {
      const std::int64_t source = incoming[slot].source;
      const ConnectionDefinition& connection =
          network_.definition().connections[Index(incoming[slot].connection)];
      const std::vector<Path> own{{source, std::nullopt, 0, {}}};
      for (const Path& earlier : IsPopulation(KindOf(source)) ? own : paths_[Index(source)]) {
        Path path = earlier;
        // The source of a synapse or a delay is a population: the path has none yet.
        path.synapse = connection.synapse ? connection.synapse : path.synapse;
        path.delay_steps += connection.delay_steps;
        if (linked) {
          path.chain.push_back({operation, slot});
        }
        links_ += path.chain.size();
        paths.push_back(std::move(path));
        if (paths.size() > kMaxPaths || links_ > kMaxLinks) {
          return ResourceExhausted("operation '" + network_.definition().operations[Index(operation)].name +
                                   "' is reached by more than " + std::to_string(kMaxPaths) +
                                   " linear paths, or all paths together have more than " +
                                   std::to_string(kMaxLinks) +
                                   " operations; put a Neuron between the branches");
        }
      }
    }
    return {};
  }

  const Network& network_;
  Paths paths_;
  std::size_t links_ = 0;
};

}  // namespace

Result<Paths> FindPaths(const Network& network) { return PathFinder(network).Run(); }

}  // namespace spikeserve::engine
