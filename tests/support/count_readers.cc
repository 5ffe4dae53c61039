#include "tests/support/count_readers.h"

#include <string>
#include <utility>
#include <vector>

#include "server/engine/network/index.h"
#include "server/engine/network/network.h"
#include "server/engine/network/neuron_models.h"
#include "tests/support/random.h"

namespace spikeserve::testing {
namespace {

using engine::Index;

engine::PoolOperation RandomPool(std::size_t axes, Random& random) {
  engine::PoolOperation pool;
  pool.kind = engine::PoolKind::kMax;
  for (std::size_t i = 0; i < axes; ++i) {
    const std::int64_t window = random.Between(1, 3);
    pool.window.push_back(window);
    pool.stride.push_back(1);
    pool.pad_before.push_back(random.Between(0, window - 1));
    pool.pad_after.push_back(window - 1 - pool.pad_before.back());
  }
  return pool;
}

// Between the operation and all that read it. What was late or filtered comes so from the pool.
void PutPoolBehind(const std::string& name, std::size_t axes, Random& random,
                   engine::NetworkDefinition& network) {
  const std::string pool = name + "/max";
  for (engine::ConnectionDefinition& connection : network.connections) {
    if (connection.source == name) {
      connection.source = pool;
    }
  }
  network.operations.push_back({pool, RandomPool(axes, random)});
  network.connections.push_back({name, pool, {}});
}

struct Factor {
  std::string name;
  double amplitude = 1;
};

Factor FactorOf(const engine::OperationDefinition& operation) {
  return {operation.name, engine::SpikeAmplitude(std::get<engine::NeuronOperation>(operation.kind).model)};
}

// Between the first one and all that read it: its product with the second one.
void PutProductBehind(const Factor& first, const Factor& second, double scale,
                      engine::NetworkDefinition& network) {
  const std::string product = first.name + "/product";
  for (engine::ConnectionDefinition& connection : network.connections) {
    if (connection.source == first.name) {
      connection.source = product;
    }
  }
  network.operations.push_back(
      {product, engine::ProductOperation{first.amplitude, engine::Parameter(scale / second.amplitude)}});
  network.connections.push_back({first.name, product, {}});
  network.connections.push_back({second.name, product, {}});
}

}  // namespace

RandomNetwork WithCountReaders(RandomNetwork network, std::uint64_t seed, double factor) {
  Random random(seed);
  const auto checked = engine::Network::Create(network.definition, {}).value();
  std::vector<std::int64_t> before;  // neurons with memory, in order of computation
  for (const std::int64_t index : checked.order()) {
    const engine::OperationDefinition operation = network.definition.operations[Index(index)];
    const auto* neuron = std::get_if<engine::NeuronOperation>(&operation.kind);
    if (neuron == nullptr || !engine::Remembers(neuron->model)) {
      continue;
    }
    before.push_back(index);
    const std::size_t rank = checked.shape(index).size();
    if (rank >= 2 && rank <= 3 && random.Chance(0.6)) {
      PutPoolBehind(operation.name, rank - 1, random, network.definition);
      if (random.Chance(0.3)) {
        PutPoolBehind(operation.name + "/max", rank - 1, random, network.definition);
      }
      continue;
    }
    const std::int64_t other = random.Pick(before);
    if (checked.shape(other) == checked.shape(index) && random.Chance(0.5)) {
      // As many spikes as of one where both send `factor` thousand a second.
      PutProductBehind(FactorOf(operation), FactorOf(network.definition.operations[Index(other)]),
                       random.Uniform(0.5, 1.5) / (1000 * factor), network.definition);
    }
  }
  return network;
}

}  // namespace spikeserve::testing
