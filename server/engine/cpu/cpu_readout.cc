#include "server/engine/cpu/cpu_readout.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kernels/cpu/group_product.h"
#include "kernels/cpu/population.h"
#include "server/engine/cpu/currents.h"

namespace spikeserve::engine {
namespace {

kernels::FoldFilters Filters(const Synapse& synapse, const Synapse& probe_synapse, double dt_s) {
  const double a = synapse ? DecayOf(*synapse, dt_s) : 0.0;
  const double b = probe_synapse ? DecayOf(*probe_synapse, dt_s) : 0.0;
  return {synapse.has_value(),       static_cast<float>(a), static_cast<float>(1 - a),
          probe_synapse.has_value(), static_cast<float>(b), static_cast<float>(1 - b)};
}

using FoldSize = std::pair<kernels::FoldFilters, std::int64_t>;

// The filters and the size of each fold of a probe: of its terms, then of the bias. None where it has none.
std::vector<FoldSize> FoldsOf(const RunShape& run, std::size_t p) {
  std::vector<FoldSize> folds;
  if (!run.folded[p]) {
    return folds;
  }
  const ProbePlan& probe = run.probe(p);
  const double dt_s = run.spec->settings.dt_s;
  for (const Term& term : run.plan->layers[Index(probe.layer)].terms) {
    folds.emplace_back(Filters(term.synapse, probe.synapse, dt_s), run.population(term.population).size);
  }
  folds.emplace_back(Filters(std::nullopt, probe.synapse, dt_s), 1);
  return folds;
}

ProbeState::Options StateOptions(const RunShape& run, std::size_t p) {
  const RunSettings& settings = run.spec->settings;
  const ProbePlan& probe = run.probe(p);
  const bool filtered = probe.synapse.has_value() && IsSimple(probe.synapse, probe.delay_steps);
  return {settings.readout, run.spec->trajectories, run.spec->session ? 0 : settings.steps, filtered,
          probe.synapse ? DecayOf(*probe.synapse, settings.dt_s) : 0.0};
}

// Steps that a readout over `done` steps means, 0 for the last value alone; below 0: there are none yet.
std::int64_t CountedSteps(const CpuRun& run, std::int64_t done) {
  const Readout& readout = run.spec->settings.readout;
  if (readout.kind == ReadoutKind::kLast) {
    return 0;
  }
  const std::int64_t counted = done - readout.skip_steps;
  return counted > 0 ? counted : -1;
}

// The mean over `counted` steps, or the last value where that is 0.
void ReadFold(const kernels::Fold& fold, std::int64_t counted, std::span<float> values) {
  counted > 0 ? fold.Mean(counted, values) : fold.Last(values);
}

// The OUTPUT of a layer at one step.
void LayerOutput(const CpuRun& run, const LayerView& view, std::span<float> output) {
  if (view.counts.empty()) {
    std::copy(view.values.begin(), view.values.end(), output.begin());
    return;
  }
  const float height = run.constants[view.layer].spike_height;
  std::transform(view.counts.begin(), view.counts.end(), output.begin(),
                 [height](std::int32_t count) { return static_cast<float>(count) * height; });
}

}  // namespace

CpuReadout::CpuReadout(const CpuRun& run) : folds_(run.folded.size()), ready_(run.folded.size()) {
  filters_.reserve(run.folded.size());
  probes_.reserve(run.folded.size());
  for (std::size_t p = 0; p < run.folded.size(); ++p) {
    const std::int64_t size = run.probe(p).size;
    filters_.push_back(run.probe_filters[p] ? kernels::FilterBank(run.probe_filters[p], size)
                                            : kernels::FilterBank());
    probes_.emplace_back(StateOptions(run, p), run.IsStepped(p) ? size : 0);
    const std::vector<FoldSize> folds = FoldsOf(run, p);
    folds_[p].reserve(folds.size());
    for (const auto& [filters, elements] : folds) {
      folds_[p].emplace_back(filters, elements);
    }
  }
  for (std::size_t i = 0; i < run.spec->request_probes.size(); ++i) {
    const RequestProbe& probe = run.spec->request_probes[i];
    const auto filter = RecorderFilter(probe, run.spec->settings.dt_s);
    recorders_.emplace_back(probe.recording, filter, run.RecordSize(i));
  }
}

void CpuReadout::Count(const RunShape& run, CpuArena& arena) {
  constexpr std::int64_t kPerAllocation = 32;  // what each adds: a state has three, a fold five
  constexpr std::int64_t kPerProbe = sizeof(ProbeState) + sizeof(kernels::FilterBank) +
                                     sizeof(std::vector<kernels::Fold>) + sizeof(std::vector<float>) +
                                     5 * kPerAllocation;
  constexpr std::int64_t kPerFold = sizeof(kernels::Fold) + 5 * kPerAllocation;
  arena.Count(3 * kPerAllocation);
  for (std::size_t p = 0; p < run.folded.size(); ++p) {
    const ProbePlan& probe = run.probe(p);
    arena.Count(run.IsReadTogether(p) ? 4 * run.plan->layers[Index(probe.layer)].size : 0);
    arena.Count(kPerProbe + (run.IsStepped(p) ? ProbeState::Bytes(StateOptions(run, p), probe.size) : 0));
    arena.Count(run.FilterBytes(probe.synapse, probe.delay_steps, probe.size));
    for (const auto& [filters, elements] : FoldsOf(run, p)) {
      arena.Count(kPerFold + kernels::Fold::Bytes(filters, elements));
    }
  }
}

void CpuReadout::Forget() {
  for (ProbeState& probe : probes_) {
    probe.ForgetTrajectory();
  }
  for (ProbeRecorder& recorder : recorders_) {
    recorder.Forget();
  }
}

void CpuReadout::Restart(const CpuRun& run) {
  if (run.spec->trajectories || !recorders_.empty() ||
      !std::all_of(run.folded.begin(), run.folded.end(), [](bool folded) { return folded; })) {
    *this = CpuReadout(run);
    return;
  }
  for (std::vector<kernels::Fold>& folds : folds_) {
    for (kernels::Fold& fold : folds) {
      fold.Restart();
    }
  }
  ready_at_ = -1;
}

void CpuReadout::StepRecorders(const CpuRun& run, const LayerView& view, std::span<float> buffer) {
  const LayerConstants& constants = run.constants[view.layer];
  for (std::size_t i = 0; i < recorders_.size(); ++i) {
    if (Index(run.record_layers[i]) != view.layer) {
      continue;
    }
    const std::span<float> values = buffer.first(Index(run.RecordSize(i)));
    switch (run.spec->request_probes[i].quantity) {
      case ProbeQuantity::kVoltage: recorders_[i].Step(view.voltage); continue;
      case ProbeQuantity::kSpikes: std::copy(view.counts.begin(), view.counts.end(), values.begin()); break;
      case ProbeQuantity::kCurrent:
        std::transform(view.total.begin(), view.total.end(), constants.bias.begin(), values.begin(),
                       [&](float sum, float bias) { return (sum + bias) / constants.current_unit; });
        break;
      case ProbeQuantity::kOutput:
      case ProbeQuantity::kUnspecified: LayerOutput(run, view, values); break;
    }
    recorders_[i].Step(std::span<const float>(values));
  }
}

void CpuReadout::StepLayer(const CpuRun& run, const LayerView& view, std::span<float> buffer) {
  for (std::size_t p = 0; p < probes_.size(); ++p) {
    const ProbePlan& probe = run.probe(p);
    if (Index(probe.layer) != view.layer || !run.IsStepped(p)) {
      continue;
    }
    const std::span<float> output = buffer.first(Index(probe.size));
    if (probe.quantity == ProbeQuantity::kVoltage) {
      std::copy(view.voltage.begin(), view.voltage.end(), output.begin());
    } else if (probe.quantity == ProbeQuantity::kSpikes) {
      std::copy(view.counts.begin(), view.counts.end(), output.begin());
    } else {
      LayerOutput(run, view, output);
    }
    if (!IsSimple(probe.synapse, probe.delay_steps)) {
      filters_[p].Step(output);
    }
    probes_[p].Step(std::span<const float>(output));
  }
  StepRecorders(run, view, buffer);
}

kernels::Fold* CpuReadout::FusedFold(const CpuRun& run, std::int64_t population) {
  const CpuRun::Fused& fused = run.fused[Index(population)];
  return fused.probe < 0 ? nullptr : &folds_[Index(fused.probe)][fused.term];
}

void CpuReadout::StepFolds(const CpuRun& run, std::int64_t done, std::int64_t steps, CpuScratch& scratch) {
  for (std::size_t p = 0; p < folds_.size(); ++p) {
    for (std::size_t t = 0; t < folds_[p].size(); ++t) {
      StepFold(run, p, t, steps, scratch);
      if (done + steps == run.spec->settings.readout.skip_steps) {
        folds_[p][t].MarkStart();
      }
    }
  }
}

// Calls visit(fold) for all folds of what a population sends.
template <typename Visit>
void CpuReadout::ForEachFold(const CpuRun& run, std::int64_t population, Visit visit) {
  for (std::size_t p = 0; p < folds_.size(); ++p) {
    const std::vector<Term>& terms = run.plan->layers[Index(run.probe(p).layer)].terms;
    for (std::size_t t = 0; t < folds_[p].size() && t < terms.size(); ++t) {
      if (terms[t].population == population) {
        visit(folds_[p][t]);
      }
    }
  }
}

void CpuReadout::SetClosed(const CpuRun& run, std::int64_t population, std::span<const std::int32_t> sent,
                           std::span<const std::int32_t> before) {
  ForEachFold(run, population, [&](kernels::Fold& fold) { fold.SetTotals(sent, before); });
}

void CpuReadout::SetClosed(const CpuRun& run, std::int64_t population, std::span<const std::uint8_t> sent) {
  ForEachFold(run, population, [&](kernels::Fold& fold) { fold.SetTotals(sent); });
}

void CpuReadout::StepFold(const CpuRun& run, std::size_t p, std::size_t t, std::int64_t steps,
                          CpuScratch& scratch) {
  const std::vector<Term>& terms = run.plan->layers[Index(run.probe(p).layer)].terms;
  kernels::Fold& fold = folds_[p][t];
  if (t < terms.size() && run.IsClosedPopulation(terms[t].population)) {
    return;  // SetClosed has set it
  }
  if (t < terms.size() && run.population(terms[t].population).spiking) {
    const std::int64_t population = terms[t].population;
    for (std::int64_t step = 0; step < steps && !scratch.IsFolded(population); ++step) {
      fold.Step(scratch.Counts(population, step));
    }
    return;
  }
  if (t == terms.size()) {
    fold.StepOnes(steps);  // what the bias is multiplied by
    return;
  }
  for (std::int64_t step = 0; step < steps; ++step) {
    fold.Step(std::span<const float>(scratch.Values(terms[t].population, step)));
  }
}

void CpuReadout::Read(const CpuRun& run, std::size_t index, std::int64_t done, CpuScratch& scratch,
                      std::span<double> out) const {
  if (!run.folded[index]) {
    probes_[index].Read(out);
    return;
  }
  if (done == 0 || CountedSteps(run, done) < 0) {
    std::fill(out.begin(), out.end(), 0.0);
    return;
  }
  ReadFolds(run, index, done, scratch, out);
}

// The sum of what all terms bring.
void CpuReadout::SumTerms(const CpuRun& run, std::size_t index, std::int64_t counted, CpuScratch& scratch,
                          std::span<float> total) const {
  const std::size_t l = Index(run.probe(index).layer);
  const Layer& layer = run.plan->layers[l];
  const std::span<float> current = scratch.current.first(Index(layer.size));
  std::fill(total.begin(), total.end(), 0.0F);
  for (std::size_t t = 0; t < layer.terms.size(); ++t) {
    const Term& term = layer.terms[t];
    const std::span<float> values = scratch.output.first(Index(run.population(term.population).size));
    ReadFold(folds_[index][t], counted, values);
    const ReadoutTerm& weights = (*run.readout_weights)[l][t];
    const std::span<const float> scale = run.constants[l].terms[t].readout_scale;
    if (weights.packed.empty()) {
      FloatCurrent(term.product, weights.floats, scale, values, scratch.currents, current);
    } else {
      DenseCurrent(term.product, weights.packed, scale, values, scratch.currents, current);
    }
    kernels::Add(current, total);
  }
}

void CpuReadout::ReadFolds(const CpuRun& run, std::size_t index, std::int64_t done, CpuScratch& scratch,
                           std::span<double> out) const {
  const std::int64_t counted = CountedSteps(run, done);
  const std::size_t l = Index(run.probe(index).layer);
  std::span<const float> total = ready_[index];
  if (ready_at_ != done || total.empty()) {
    const std::span<float> sums = scratch.total.first(Index(run.plan->layers[l].size));
    SumTerms(run, index, counted, scratch, sums);
    total = sums;
  }
  float bias_factor = 0;
  ReadFold(folds_[index].back(), counted, std::span(&bias_factor, 1));
  for (std::size_t j = 0; j < out.size(); ++j) {
    out[j] = total[j] + run.constants[l].bias[j] * bias_factor;
  }
}

void CpuReadout::ReadTogether(const CpuRun& run, std::span<CpuReadout* const> group, std::int64_t done,
                              CpuScratch& scratch) {
  const std::int64_t counted = CountedSteps(run, done);
  if (done == 0 || counted < 0) {
    return;
  }
  for (std::size_t p = 0; p < run.folded.size(); ++p) {
    if (!run.IsReadTogether(p)) {
      continue;
    }
    const std::size_t l = Index(run.probe(p).layer);
    const Layer& layer = run.plan->layers[l];
    for (CpuReadout* const one : group) {
      one->ready_[p].assign(Index(layer.size), 0.0F);
      one->ready_at_ = done;
    }
    const std::span<float> current = scratch.current.first(Index(layer.size));
    std::array<const float*, kernels::kProductGroup> cells{};
    std::array<float*, kernels::kProductGroup> sums{};
    for (std::size_t t = 0; t < layer.terms.size(); ++t) {
      const std::size_t size = Index(run.population(layer.terms[t].population).size);
      for (std::size_t s = 0; s < group.size(); ++s) {
        const std::span<float> values = scratch.closed.read.subspan(s * size, size);
        ReadFold(group[s]->folds_[p][t], counted, values);
        cells[s] = values.data();
        sums[s] = scratch.closed.read_sums.data() + s * Index(layer.size);
      }
      DenseSums(layer.terms[t].product, (*run.readout_weights)[l][t].packed,
                std::span(cells).first(group.size()), std::span<float* const>(sums).first(group.size()));
      for (std::size_t s = 0; s < group.size(); ++s) {
        kernels::Scale(std::span<const float>(sums[s], Index(layer.size)),
                       run.constants[l].terms[t].readout_scale, current);
        kernels::Add(current, group[s]->ready_[p]);
      }
    }
  }
}

}  // namespace spikeserve::engine
