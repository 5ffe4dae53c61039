#include "server/engine/cpu/layout/layer_state.h"

#include "server/base/overloaded.h"
#include "server/engine/network/neuron_models.h"
#include "server/engine/network/synapse_filter.h"

namespace spikeserve::engine {
namespace {

void LayOutNeurons(const RunShape& run, std::size_t l, const NeuronLayer& neurons, CpuArena& arena,
                   LayerState& state) {
  const std::int64_t size = run.plan->layers[l].size;
  const bool remembers = HasMemory(run.plan->layers[l]);
  const bool steps = !run.IsClosed(l);
  math::ForEachState(
      [&](bool kept, std::span<float>& values) { values = arena.Take<float>(kept && steps ? size : 0); },
      StatesOf(neurons.model), state.neurons);
  state.received = arena.Take<std::int64_t>(remembers && run.ReceivesSteps(l) ? size : 0);
  state.sent = arena.Take<std::int64_t>(remembers && steps ? size : 0);
  state.spikes = arena.Take<std::int64_t>(run.spec->statistics && run.IsSpiking(l) ? size : 0);
}

// Of a layer with memory. Whether that is all it needs.
bool LayOutCharges(const RunShape& run, std::size_t l, std::size_t t, CpuArena& arena, TermState& state) {
  const Layer& layer = run.plan->layers[l];
  const Term& term = layer.terms[t];
  const std::optional<std::int64_t> delay = PureDelay(term.synapse, term.delay_steps);
  const ChargeSource source = run.IsClosed(l) ? run.closed_layers[l].sources[t] : ChargeSource::kSteps;
  const bool steps = source == ChargeSource::kSteps;
  state.whole = arena.Take<std::int64_t>(run.MayBeHeld(term.population) ? layer.size : 0);
  state.delayed = arena.Take<std::int64_t>(steps ? delay.value_or(0) * layer.size : 0);
  const bool totals = source == ChargeSource::kTotals || (ReadsCounts(layer) && !run.IsClosed(l));
  state.totals = arena.Take<std::int64_t>(totals ? run.population(term.population).size : 0);
  return delay.has_value();
}

void LayOutTerm(const RunShape& run, std::size_t l, std::size_t t, CpuArena& arena, TermState& state) {
  const Layer& layer = run.plan->layers[l];
  const Term& term = layer.terms[t];
  if (HasMemory(layer) && LayOutCharges(run, l, t, arena, state)) {
    return;
  }
  const bool simple = IsSimple(term.synapse, term.delay_steps);
  state.filter = arena.Take<float>(simple && term.synapse ? layer.size : 0);
  if (!simple && arena.counts()) {
    arena.Count(run.FilterBytes(term.synapse, term.delay_steps, layer.size));
  }
  state.constant = arena.Take<float>(run.MayBeHeld(term.population) ? layer.size : 0);
}

}  // namespace

std::vector<LayerState> LayOutLayers(const RunShape& run, CpuArena& arena) {
  std::vector<LayerState> layers(run.plan->layers.size());
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const Layer& layer = run.plan->layers[l];
    LayerState& state = layers[l];
    std::visit(Overloaded{[&](const NeuronLayer& neurons) { LayOutNeurons(run, l, neurons, arena, state); },
                          [](const LinearLayer&) {}, [](const ActivationLayer&) {}},
               layer.kind);
    state.terms.resize(layer.terms.size());
    for (std::size_t t = 0; run.stepped[l] && t < layer.terms.size(); ++t) {
      LayOutTerm(run, l, t, arena, state.terms[t]);
    }
    arena.Count(static_cast<std::int64_t>(sizeof(LayerState) + layer.terms.size() * sizeof(TermState)));
  }
  return layers;
}

}  // namespace spikeserve::engine
