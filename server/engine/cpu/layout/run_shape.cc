#include "server/engine/cpu/layout/run_shape.h"

#include <algorithm>
#include <utility>

#include "kernels/cpu/spikes/event_layer.h"
#include "server/engine/network/synapse_filter.h"
#include "server/engine/run/simulation.h"

namespace spikeserve::engine {
namespace {

// What a chunk's spikes may take as integers: a quarter of it as bytes. Fewer steps would keep them in nearer
// caches, but weights come from farther than spikes, and each chunk reads all of them.
constexpr std::int64_t kChunkBytes = std::int64_t{1} << 26;

// What a group's counts may take, so that they stay in a second-level cache.
constexpr std::int64_t kPassBytes = std::int64_t{1} << 19;

// Whether nothing drives neurons but inputs that do not vary: nobody reads single spikes. Those of a session
// may vary later.
bool HasHeldDriveOnly(const RunShape& run) {
  if (run.spec->session) {
    return false;
  }
  for (std::size_t l = 0; l < run.plan->layers.size(); ++l) {
    const Layer& layer = run.plan->layers[l];
    for (std::size_t t = 0; layer.emits() && t < layer.terms.size(); ++t) {
      const bool closed = run.IsClosed(l) && run.closed_layers[l].sources[t] != ChargeSource::kSteps &&
                          run.closed_layers[l].sources[t] != ChargeSource::kTotals;
      if (!closed && !run.IsHeld(layer.terms[t].population)) {
        return false;
      }
    }
  }
  return true;
}

// Whether a layer with memory can be computed at each step from what its sources have sent, given those
// before it that are.
bool CanStepByPasses(const RunShape& run, std::size_t l, ClosedLayer& pass) {
  const Layer& layer = run.plan->layers[l];
  bool held = false, sent = false;
  for (const Term& term : layer.terms) {
    const std::int64_t source = run.population(term.population).layer;
    if (PureDelay(term.synapse, term.delay_steps) != 0) {
      return false;
    }
    if (source < 0 ? !run.MayBeHeld(term.population) : !run.passes[Index(source)].closed()) {
      return false;
    }
    if (source >= 0 && SendsNegative(run.plan->layers[Index(source)])) {
      return false;
    }
    (source < 0 ? held : sent) = true;
    pass.sources.push_back(source < 0 ? ChargeSource::kHeld : ChargeSource::kClosed);
  }
  // What a session's held inputs have brought is kept apart from the rest; probes are shown sums by term.
  return !(run.spec->session && held && sent) && !(run.observed[l] && layer.terms.size() > 1);
}

std::int64_t ChunkOf(const RunShape& run) {
  const SimulationSpec& spec = *run.spec;
  std::int64_t bytes_per_step = 1;
  for (std::size_t i = 0; i < run.plan->populations.size(); ++i) {
    bytes_per_step +=
        run.IsClosedPopulation(static_cast<std::int64_t>(i)) ? 0 : 4 * run.plan->populations[i].size;
  }
  const std::int64_t longest = HasHeldDriveOnly(run) ? kernels::kMaxUncountedSteps : kMaxChunkSteps;
  const std::int64_t most = std::clamp<std::int64_t>(kChunkBytes / bytes_per_step, 1, longest);
  bool passes = false;
  for (std::size_t l = 0; l < run.passes.size(); ++l) {
    passes = passes || run.StepsByPasses(l);
  }
  return std::min({most, spec.settings.steps, passes ? run.PassGroup() : most});
}

}  // namespace

RunShape::RunShape(const Plan& of_plan, const VectorWeights* vectors, CheckedSpec of_spec)
    : LayerUse(of_plan, std::move(of_spec)), vector_weights(vectors), closed_layers(PlanClosedForm(*this)) {
  passes = closed_layers;
  for (std::size_t l = 0; l < passes.size() && vector_weights != nullptr; ++l) {
    ClosedLayer pass{{0}, {}};
    if (HasMemory(plan->layers[l]) && stepped[l] && !IsClosed(l) && CanStepByPasses(*this, l, pass)) {
      passes[l] = std::move(pass);
    }
  }
  chunk = ChunkOf(*this);
}

std::int64_t RunShape::PassGroup() const {
  std::int64_t widest = 1;
  for (std::size_t l = 0; l < passes.size(); ++l) {
    widest = std::max(widest, passes[l].closed() ? plan->layers[l].size : 0);
  }
  return std::clamp<std::int64_t>(kPassBytes / (2 * widest), 1, group);
}

bool RunShape::ReceivesSteps(std::size_t layer) const {
  const std::vector<ChargeSource>& sources = closed_layers[layer].sources;
  return !IsClosed(layer) || std::find(sources.begin(), sources.end(), ChargeSource::kSteps) != sources.end();
}

std::int64_t RunShape::FilterBytes(const Synapse& synapse, std::int64_t delay_steps,
                                   std::int64_t size) const {
  constexpr std::int64_t kPerBank = 256;  // what its allocations add
  return IsSimple(synapse, delay_steps)
             ? 0
             : kPerBank + size * kernels::FilterBytes(MakeFilter(synapse, delay_steps, spec->settings.dt_s));
}

bool RunShape::IsReadTogether(std::size_t p) const {
  const std::vector<Term>& terms = plan->layers[Index(probe(p).layer)].terms;
  return folded[p] && std::all_of(terms.begin(), terms.end(), [](const Term& term) {
           return term.product.kind == kernels::ProductKind::kDense && term.product.gather.start.empty();
         });
}

}  // namespace spikeserve::engine
