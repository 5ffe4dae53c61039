#include "server/engine/cpu/layout/readout_weights.h"

#include "kernels/cpu/group_product.h"
#include "server/engine/network/index.h"
#include "server/engine/run/layers.h"

namespace spikeserve::engine {
namespace {

ReadoutTerm MakeTerm(const Plan& plan, const Term& term) {
  const kernels::Product& product = term.product;
  ReadoutTerm readout;
  if (plan.populations[Index(term.population)].spiking) {  // integers of 22 bits are exact as floats
    readout.floats.assign(product.integers.begin(), product.integers.end());
  } else {
    readout.floats = product.floats;
  }
  if (product.kind == kernels::ProductKind::kDense) {
    readout.packed = {std::span<const float>(readout.floats), product.in, product.out,
                      kernels::FloatProductBlockWidth()};
    readout.floats = {};
  }
  return readout;
}

}  // namespace

ReadoutWeights MakeReadoutWeights(const Plan& plan) {
  ReadoutWeights weights(plan.layers.size());
  for (const ProbePlan& probe : plan.probes) {
    std::vector<ReadoutTerm>& of_layer = weights[Index(probe.layer)];
    if (!IsFolded(plan, probe) || !of_layer.empty()) {
      continue;
    }
    for (const Term& term : plan.layers[Index(probe.layer)].terms) {
      of_layer.push_back(MakeTerm(plan, term));
    }
  }
  return weights;
}

std::int64_t ReadoutWeightsBytes(const ReadoutWeights& weights) {
  std::int64_t bytes = 0;
  for (const std::vector<ReadoutTerm>& layer : weights) {
    for (const ReadoutTerm& term : layer) {
      bytes += 4 * static_cast<std::int64_t>(term.floats.size()) + term.packed.bytes();
    }
  }
  return bytes;
}

}  // namespace spikeserve::engine
