#include "tests/support/max_pools.h"

#include <string>
#include <utility>

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
void PutBehind(const std::string& name, std::size_t axes, Random& random,
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

}  // namespace

RandomNetwork WithMaxPools(RandomNetwork network, std::uint64_t seed) {
  Random random(seed);
  const auto checked = engine::Network::Create(network.definition, {}).value();
  const std::size_t count = network.definition.operations.size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = network.definition.operations[i].name;
    const auto* neuron = std::get_if<engine::NeuronOperation>(&network.definition.operations[i].kind);
    const std::size_t rank = checked.shape(static_cast<std::int64_t>(i)).size();
    if (neuron == nullptr || !engine::Remembers(neuron->model) || rank < 2 || rank > 3 ||
        random.Chance(0.2)) {
      continue;
    }
    PutBehind(name, rank - 1, random, network.definition);
    if (random.Chance(0.3)) {
      PutBehind(name + "/max", rank - 1, random, network.definition);
    }
  }
  return network;
}

}  // namespace spikeserve::testing
