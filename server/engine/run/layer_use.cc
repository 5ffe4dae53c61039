#include "server/engine/run/layer_use.h"

#include <utility>

#include "server/engine/run/layers.h"

namespace spikeserve::engine {

LayerUse::LayerUse(const Plan& of_plan, CheckedSpec of_spec)
    : plan(&of_plan),
      spec(std::move(of_spec)),
      stepped(of_plan.layers.size()),
      observed(of_plan.layers.size()) {
  for (std::size_t l = 0; l < plan->layers.size(); ++l) {
    stepped[l] = plan->layers[l].emits();
  }
  const auto observe = [this](std::int64_t layer) { stepped[Index(layer)] = observed[Index(layer)] = true; };
  for (std::size_t p = 0; p < spec->probes.size(); ++p) {
    folded.push_back(IsFolded(*plan, probe(p)));
    if (IsStepped(p)) {
      observe(probe(p).layer);
    }
  }
  for (const RequestProbe& request : spec->request_probes) {
    record_layers.push_back(LayerOf(*plan, request.operation));
    observe(record_layers.back());
  }
}

}  // namespace spikeserve::engine
