#include "server/engine/run/constants/closed_form.h"

#include <algorithm>
#include <optional>
#include <set>

#include "server/engine/network/synapse_filter.h"
#include "server/engine/run/layers.h"

namespace spikeserve::engine {
namespace {

// Each age of a layer costs a pass: where branches of many lengths meet, steps are cheaper.
constexpr std::size_t kMostAges = 8;
// No network that anybody has needs as many; those that do are stepped.
constexpr int kMostRounds = 32;

class ClosedPlanner {
 public:
  explicit ClosedPlanner(const LayerUse& use)
      : use_(use), plan_(*use.plan), closed_(plan_.layers.size()), ages_(plan_.layers.size()) {
    const bool every_spike = use.spec->statistics && use.spec->gross_statistics;
    const bool possible = !use.spec->session && !use.spec->trajectories && !every_spike;
    for (std::size_t l = 0; l < closed_.size(); ++l) {
      closed_[l] = possible && HasMemory(plan_.layers[l]) && !use.observed[l];
    }
  }

  std::vector<ClosedLayer> Run() {
    // Asked for every request: networks without such layers are done here.
    bool changed = std::find(closed_.begin(), closed_.end(), true) != closed_.end();
    for (int round = 0; changed; ++round) {  // each takes a layer out, or is the last
      if (round == kMostRounds) {
        return std::vector<ClosedLayer>(closed_.size());
      }
      changed = false;
      for (std::set<std::int64_t>& ages : ages_) {
        ages = {0};
      }
      AskForReadouts(changed);
      for (std::size_t l = plan_.layers.size(); l-- > 0;) {
        AskSources(l, changed);
      }
      for (std::size_t l = 0; l < closed_.size(); ++l) {
        if (closed_[l] && ages_[l].size() > 1 && !IsKnownAnytime(l)) {
          TakeSteps(l, changed);
        }
      }
    }
    return Layers();
  }

 private:
  // The layer behind a term's source; none: an input.
  std::optional<std::size_t> LayerOf(const Term& term) const {
    const std::int64_t layer = use_.population(term.population).layer;
    return layer < 0 ? std::nullopt : std::optional(Index(layer));
  }

  void TakeSteps(std::size_t layer, bool& changed) {
    changed = changed || closed_[layer];
    closed_[layer] = false;
  }

  void AskForReadouts(bool& changed) {
    const bool last = use_.spec->settings.readout.kind == ReadoutKind::kLast;
    for (std::size_t p = 0; p < use_.folded.size(); ++p) {
      const ProbePlan& probe = use_.probe(p);
      for (const Term& term : plan_.layers[Index(probe.layer)].terms) {
        const std::optional<std::size_t> source = LayerOf(term);
        if (!source) {
          continue;
        }
        if (!use_.folded[p] || term.synapse || probe.synapse) {
          TakeSteps(*source, changed);
        } else if (last) {
          ages_[*source].insert(1);
        }
      }
    }
  }

  void AskSources(std::size_t l, bool& changed) {
    if (!use_.stepped[l]) {
      return;
    }
    for (const Term& term : plan_.layers[l].terms) {
      const std::optional<std::size_t> source = LayerOf(term);
      if (!source) {
        continue;
      }
      const std::optional<std::int64_t> delay = PureDelay(term.synapse, term.delay_steps);
      if (!closed_[l] || !delay) {
        TakeSteps(*source, changed);
        continue;
      }
      for (const std::int64_t age : ages_[l]) {
        ages_[*source].insert(age + *delay);
      }
      if (ages_[*source].size() > kMostAges) {
        TakeSteps(*source, changed);
      }
    }
  }

  // Whether what the source brings in a step is whole numbers that meet integers: spikes, or bytes, for which
  // rows are cut at the network's own dt.
  bool HasCounts(const Term& term) const {
    const Population& source = use_.population(term.population);
    return source.layer < 0 ? HasByteValues(use_.spec->inputs[Index(term.population)]) &&
                                  use_.spec->settings.dt_s == DefaultDt(plan_.network->definition())
                            : source.spiking;
  }

  ChargeSource SourceOf(const Term& term) const {
    const std::optional<std::size_t> source = LayerOf(term);
    const std::optional<std::int64_t> delay = PureDelay(term.synapse, term.delay_steps);
    if (!delay) {
      return ChargeSource::kSteps;
    }
    if (source && closed_[*source]) {
      return ChargeSource::kClosed;
    }
    if (IsHeldInput(plan_, *use_.spec, term.population)) {
      return ChargeSource::kHeld;
    }
    return *delay == 0 && HasCounts(term) ? ChargeSource::kTotals : ChargeSource::kSteps;
  }

  // Whether what the layer has received by any earlier step can be told.
  bool IsKnownAnytime(std::size_t l) const {
    const std::vector<Term>& terms = plan_.layers[l].terms;
    return std::all_of(terms.begin(), terms.end(), [this](const Term& term) {
      const ChargeSource source = SourceOf(term);
      return source == ChargeSource::kHeld || source == ChargeSource::kClosed;
    });
  }

  std::vector<ClosedLayer> Layers() const {
    std::vector<ClosedLayer> layers(closed_.size());
    for (std::size_t l = 0; l < layers.size(); ++l) {
      if (!closed_[l]) {
        continue;
      }
      layers[l].ages.assign(ages_[l].begin(), ages_[l].end());
      for (const Term& term : plan_.layers[l].terms) {
        layers[l].sources.push_back(SourceOf(term));
      }
    }
    return layers;
  }

  const LayerUse& use_;
  const Plan& plan_;
  std::vector<bool> closed_;                  // [layer]
  std::vector<std::set<std::int64_t>> ages_;  // [layer]
};

}  // namespace

std::vector<ClosedLayer> PlanClosedForm(const LayerUse& use) { return ClosedPlanner(use).Run(); }

}  // namespace spikeserve::engine
