#include "server/engine/run/layers.h"

#include <algorithm>

#include "server/engine/network/synapse_filter.h"

namespace spikeserve::engine {

std::int64_t LayerOf(const Plan& plan, std::int64_t operation) {
  for (std::size_t l = 0; l < plan.layers.size(); ++l) {
    if (plan.layers[l].operation == operation) {
      return static_cast<std::int64_t>(l);
    }
  }
  return -1;
}

bool IsFolded(const Plan& plan, const ProbePlan& probe) {
  const Layer& layer = plan.layers[Index(probe.layer)];
  return probe.quantity == ProbeQuantity::kOutput && std::holds_alternative<LinearLayer>(layer.kind) &&
         IsSimple(probe.synapse, probe.delay_steps) &&
         std::all_of(layer.terms.begin(), layer.terms.end(),
                     [](const Term& term) { return IsSimple(term.synapse, term.delay_steps); });
}

std::int64_t ConstantBytes(const Plan& plan) {
  std::int64_t bytes = 0;
  for (const Layer& layer : plan.layers) {
    const auto terms = static_cast<std::int64_t>(layer.terms.size());
    bytes += layer.size * (8 + 12 * terms);
    bytes += HasMemory(layer) ? layer.size * (6 * 8 + 1 + 8 * terms) : 0;  // MemoryConstants
  }
  return bytes;
}

}  // namespace spikeserve::engine
