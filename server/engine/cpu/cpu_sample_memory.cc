// Layers with memory, step by step: in integers, whatever their sources are.

#include <algorithm>
#include <array>
#include <cstdlib>

#include "kernels/cpu/group_product.h"
#include "kernels/cpu/memory.h"
#include "kernels/cpu/population.h"
#include "server/engine/cpu/closed_pass.h"
#include "server/engine/cpu/cpu_sample.h"
#include "server/engine/cpu/currents.h"
#include "server/engine/cpu/layout/count_cells.h"
#include "server/engine/network/synapse_filter.h"

namespace spikeserve::engine {
namespace {

void RoundCharges(std::span<const float> current, std::span<const double> unit,
                  std::span<std::int64_t> charges) {
  for (std::size_t j = 0; j < charges.size(); ++j) {
    charges[j] = RoundMemory(static_cast<double>(current[j]) * unit[j]);
  }
}

// Hands out what came in `delay` steps before, and keeps what comes now.
void Delay(std::int64_t step, std::span<std::int64_t> delayed, std::span<std::int64_t> charges) {
  if (!delayed.empty()) {
    const auto steps = static_cast<std::int64_t>(delayed.size() / charges.size());
    const auto late = delayed.subspan(Index(step % steps) * charges.size(), charges.size());
    std::swap_ranges(late.begin(), late.end(), charges.begin());
  }
}

}  // namespace

// Adds what all terms of the layer bring at this step to what it has received. False where it might not be
// exact.
bool CpuSample::SumCharges(const CpuRun& run, std::size_t layer, std::int64_t step, CpuScratch& scratch) {
  const std::size_t size = Index(run.plan->layers[layer].size);
  const std::vector<double>& unit = run.constants[layer].memory.unit;
  std::fill_n(scratch.output.begin(), size, 0.0F);
  for (std::size_t t = 0; t < layers_[layer].terms.size(); ++t) {
    if (!ReceiveTerm(run, layer, t, step, scratch)) {
      return false;
    }
    for (std::size_t j = 0; j < size; ++j) {
      scratch.output[j] += static_cast<float>(static_cast<double>(scratch.charges[j]) / unit[j]);
    }
  }
  std::copy_n(scratch.output.begin(), size, scratch.total.begin());  // what probes see
  return true;
}

// Of units that read counts: what they are to have sent by this step.
void CpuSample::TakeCounts(const CpuRun& run, std::size_t layer, std::int64_t step, CpuScratch& scratch) {
  const Layer& plan = run.plan->layers[layer];
  LayerState& state = layers_[layer];
  const std::span<std::int64_t> taken = scratch.charges.first(Index(plan.size));
  for (std::size_t t = 0; t < plan.terms.size(); ++t) {
    const std::span<const std::int32_t> counts = scratch.Counts(plan.terms[t].population, step);
    const std::span<std::int64_t> totals = state.terms[t].totals;
    std::transform(counts.begin(), counts.end(), totals.begin(), totals.begin(), std::plus<std::int64_t>());
  }
  const auto totals = [&state](std::size_t t) { return state.terms[t].totals; };
  if (NeuronsOf(plan)->counts == NeuronLayer::Counts::kLargest) {
    TakeLargest(plan, totals, taken);
  } else {
    TakeProduct<std::int64_t>(plan, run.constants[layer].memory, done_ + step + 1, totals, taken,
                              scratch.other.first(taken.size()));
  }
  for (std::size_t j = 0; j < taken.size(); ++j) {
    scratch.total[j] = static_cast<float>(taken[j] - state.received[j]);  // what probes see
    state.received[j] = taken[j];
  }
}

// Adds what the term brings at this step, which stays in scratch.charges.
bool CpuSample::ReceiveTerm(const CpuRun& run, std::size_t layer, std::size_t term, std::int64_t step,
                            CpuScratch& scratch) {
  LayerState& state = layers_[layer];
  const std::span<std::int64_t> charges = scratch.charges.first(Index(run.plan->layers[layer].size));
  if (!TermCharges(run, layer, term, step, scratch)) {
    return false;
  }
  Delay(done_ + step, state.terms[term].delayed, charges);
  bool fits = true;
  for (std::size_t j = 0; j < charges.size(); ++j) {
    state.received[j] += charges[j];
    fits = fits && std::abs(state.received[j]) <= kLargestMemory;
  }
  return fits;
}

// Leaves in scratch.charges what the term brings, before its delay.
bool CpuSample::TermCharges(const CpuRun& run, std::size_t layer, std::size_t index, std::int64_t step,
                            CpuScratch& scratch) {
  const Term& term = run.plan->layers[layer].terms[index];
  if (!PureDelay(term.synapse, term.delay_steps)) {
    return FilteredCharges(run, layer, index, step, scratch);
  }
  TermState& state = layers_[layer].terms[index];
  const std::span<std::int64_t> charges = scratch.charges.first(Index(run.plan->layers[layer].size));
  if (state.known) {
    std::copy(state.whole.begin(), state.whole.end(), charges.begin());
    return true;
  }
  if (!SourceCharges(run, layer, index, step, scratch)) {
    return false;
  }
  if (run.IsHeld(term.population)) {
    std::copy(charges.begin(), charges.end(), state.whole.begin());
    state.known = true;
    state.largest_whole = 0;
    for (const std::int64_t charge : charges) {
      state.largest_whole = std::max(state.largest_whole, std::abs(charge));
    }
  }
  return true;
}

// The same behind a filter, which is one of real values.
bool CpuSample::FilteredCharges(const CpuRun& run, std::size_t layer, std::size_t index, std::int64_t step,
                                CpuScratch& scratch) {
  const std::size_t size = Index(run.plan->layers[layer].size);
  const TermConstants& constants = run.constants[layer].terms[index];
  TermState& state = layers_[layer].terms[index];
  const std::span<float> current = scratch.current.first(size);
  if (!TermCurrent(run, layer, index, step, scratch)) {
    return false;
  }
  std::span<const float> filtered = current;
  if (constants.filtered) {
    const std::span<float> sum = scratch.total.first(size);
    std::fill(sum.begin(), sum.end(), 0.0F);
    kernels::AddFiltered(current, constants.decay, state.filter, sum);
    filtered = sum;
  } else {
    state.bank.Step(current);
  }
  RoundCharges(filtered, run.constants[layer].memory.unit, scratch.charges.first(size));
  return true;
}

// What the source causes at this step.
bool CpuSample::SourceCharges(const CpuRun& run, std::size_t layer, std::size_t index, std::int64_t step,
                              CpuScratch& scratch) {
  const Term& term = run.plan->layers[layer].terms[index];
  const TermConstants& constants = run.constants[layer].terms[index];
  const MemoryConstants& memory = run.constants[layer].memory;
  const std::int64_t source = term.population;
  const std::size_t size = Index(run.plan->layers[layer].size);
  const std::span<std::int64_t> charges = scratch.charges.first(size);
  if (run.population(source).spiking) {
    return IntegerSums(term.product, scratch.Counts(source, step), scratch.Largest(source, step),
                       scratch.currents, charges);
  }
  if (!constants.integers) {
    const std::span<float> current = scratch.current.first(size);
    FloatCurrent(term.product, term.product.floats, constants.scale, scratch.Values(source, step),
                 scratch.currents, current);
    RoundCharges(current, memory.unit, charges);
    return true;
  }
  if (!IntegerSums(term.product, ReadBytes(run, source, step, scratch), kLargestByte, scratch.currents,
                   charges)) {
    return false;
  }
  for (std::size_t j = 0; j < memory.offsets[index].size(); ++j) {
    charges[j] += memory.offsets[index][j];
  }
  return true;
}

// What steps leave behind for the pass that computes the layer. False where it might not be exact.
bool CpuSample::RunClosed(const CpuRun& run, std::size_t layer, std::int64_t steps, CpuScratch& scratch) {
  for (std::size_t t = 0; t < layers_[layer].terms.size(); ++t) {
    if (!ReceiveClosed(run, layer, t, steps, scratch)) {
      return false;
    }
  }
  return true;
}

bool CpuSample::ReceiveClosed(const CpuRun& run, std::size_t layer, std::size_t index, std::int64_t steps,
                              CpuScratch& scratch) {
  TermState& state = layers_[layer].terms[index];
  const std::int64_t source = run.plan->layers[layer].terms[index].population;
  switch (run.closed_layers[layer].sources[index]) {
    case ChargeSource::kClosed: return true;
    case ChargeSource::kHeld:
      return state.known || run.IsFused(layer) || TermCharges(run, layer, index, 0, scratch);
    case ChargeSource::kTotals:
      for (std::int64_t step = 0; step < steps; ++step) {
        const std::span<const std::int32_t> counts = run.population(source).spiking
                                                         ? scratch.Counts(source, step)
                                                         : ReadBytes(run, source, step, scratch);
        std::transform(counts.begin(), counts.end(), state.totals.begin(), state.totals.begin(),
                       std::plus<std::int64_t>());
      }
      return true;
    case ChargeSource::kSteps:
      for (std::int64_t step = 0; step < steps; ++step) {
        if (!ReceiveTerm(run, layer, index, step, scratch)) {
          return false;
        }
      }
      return true;
  }
  return false;
}

void CpuSample::Settle(const CpuRun& run, std::span<CpuSample> group, CpuScratch& scratch) {
  const auto most = static_cast<std::size_t>(scratch.closed.group);
  for (std::size_t first = 0; first < group.size();) {
    std::size_t last = first;
    while (last < group.size() && last - first < most && group[last].NeedsSettling(run) &&
           group[last].done_ == group[first].done_) {
      ++last;
    }
    if (last > first) {
      SettleAt(run, group[first].done_, group.subspan(first, last - first), scratch);
    }
    first = std::max(last, first + 1);
  }
  ReadTogether(run, group, scratch);
}

// Of samples that are at the same step, as many as can be.
void CpuSample::ReadTogether(const CpuRun& run, std::span<CpuSample> group, CpuScratch& scratch) {
  std::array<CpuReadout*, kernels::kProductGroup> readouts{};
  std::size_t count = 0;
  for (std::size_t s = 0; s < group.size() && !scratch.closed.read.empty(); ++s) {
    if (group[s].status_.ok()) {
      readouts[count++] = &group[s].readout_;
    }
    const bool last = s + 1 == group.size() || group[s + 1].done_ != group[s].done_;
    if (count > 0 && (last || count == readouts.size())) {
      CpuReadout::ReadTogether(run, std::span<CpuReadout* const>(readouts).first(count), group[s].done_,
                               scratch);
      count = 0;
    }
  }
}

bool CpuSample::NeedsSettling(const CpuRun& run) const {
  return status_.ok() && settled_ != done_ &&
         std::any_of(run.closed_layers.begin(), run.closed_layers.end(),
                     [](const ClosedLayer& layer) { return layer.closed(); });
}

void CpuSample::SettleAt(const CpuRun& run, std::int64_t steps, std::span<CpuSample> group,
                         CpuScratch& scratch) {
  std::vector<ClosedSample>& samples = scratch.closed.samples;
  samples.clear();
  for (CpuSample& sample : group) {
    samples.push_back({&sample.layers_, &sample.inputs_, steps});
  }
  RunClosedPass(run, samples, scratch);
  for (std::size_t s = 0; s < group.size(); ++s) {
    group[s].settled_ = steps;
    if (samples[s].failed >= 0) {
      group[s].Fail(run, Index(samples[s].failed));
    } else {
      group[s].TakeClosed(run, s, scratch);
    }
  }
}

// Takes over what the layers of the sample at this place of a pass have sent.
void CpuSample::TakeClosed(const CpuRun& run, std::size_t place, CpuScratch& scratch) {
  const bool last = run.spec->settings.readout.kind == ReadoutKind::kLast;
  closed_spikes_ = 0;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    if (!run.IsClosed(l)) {
      continue;
    }
    std::vector<ClosedScratch::Sent>& sent = scratch.closed.sent[l];
    const std::int64_t population = run.plan->layers[l].population;
    closed_spikes_ += sent[0].narrow[place] ? kernels::SumMagnitudes(sent[0].Bytes(place))
                                            : kernels::SumMagnitudes(sent[0].Counts(place));
    if (!layers_[l].spikes.empty()) {
      const std::span<const std::int32_t> counts = sent[0].Counts(place);
      std::transform(counts.begin(), counts.end(), layers_[l].spikes.begin(),
                     [](std::int32_t count) { return std::abs(count); });
    }
    if (last && sent.size() > 1 && run.closed_layers[l].ages[1] == 1) {
      readout_.SetClosed(run, population, sent[0].Counts(place), sent[1].Counts(place));
    } else if (sent[0].narrow[place]) {
      readout_.SetClosed(run, population, sent[0].Bytes(place));
    } else {
      readout_.SetClosed(run, population, sent[0].Counts(place), {});
    }
  }
}

bool CpuSample::StepMemory(const CpuRun& run, std::int64_t step, CpuScratch& scratch, LayerView& view) {
  const Layer& plan = run.plan->layers[view.layer];
  const MemoryConstants& memory = run.constants[view.layer].memory;
  LayerState& state = layers_[view.layer];
  const std::int64_t steps = done_ + step + 1;
  if (!memory.Fits(steps)) {
    return false;
  }
  const std::span<std::int32_t> counts = scratch.WriteCounts(plan.population, step);
  const bool gross = run.spec->gross_statistics;
  const std::span<std::int64_t> z = scratch.charges.first(counts.size());
  const std::span<std::int64_t> sent = scratch.other.first(counts.size());
  for (std::size_t j = 0; j < counts.size(); ++j) {
    z[j] = state.received[j] + steps * memory.bias[j];
  }
  memory.Send(z, steps, sent);
  std::int32_t largest = 0;
  for (std::size_t j = 0; j < counts.size(); ++j) {
    if (std::abs(sent[j]) > kMostSent) {
      return false;
    }
    counts[j] = static_cast<std::int32_t>(sent[j] - state.sent[j]);
    largest = std::max(largest, std::abs(counts[j]));
    // Those that were taken back count no more, unless all are asked for.
    spikes_ += gross ? std::abs(counts[j]) : std::abs(sent[j]) - std::abs(state.sent[j]);
    state.sent[j] = sent[j];
    state.neurons.voltage[j] =
        static_cast<float>(static_cast<double>(z[j] + memory.start[j]) / memory.unit[j]);
  }
  for (std::size_t j = 0; j < state.spikes.size(); ++j) {
    state.spikes[j] = gross ? state.spikes[j] + std::abs(counts[j]) : std::abs(state.sent[j]);
  }
  scratch.Largest(plan.population, step) = largest;
  view.counts = counts;
  if (run.StepsByPasses(view.layer)) {  // layers behind it read what it has sent
    scratch.closed.sent[view.layer][0].Set(Index(step), state.sent);
  }
  return true;
}

}  // namespace spikeserve::engine
