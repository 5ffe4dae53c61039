// Steps of layers with memory, those of a chunk beside each other: what one has sent by a step is a function
// of what its sources have sent by then, for which no step before it need be taken.

#include <algorithm>
#include <cstdlib>

#include "kernels/cpu/memory.h"
#include "server/engine/cpu/closed_pass.h"
#include "server/engine/cpu/cpu_sample.h"

namespace spikeserve::engine {
namespace {

std::int64_t SumOf(std::span<const std::int64_t> sent) {
  std::int64_t sum = 0;
  for (const std::int64_t count : sent) {
    sum += std::abs(count);
  }
  return sum;
}

bool HasHeldSource(const CpuRun& run, std::size_t layer) {
  const std::vector<ChargeSource>& sources = run.passes[layer].sources;
  return std::find(sources.begin(), sources.end(), ChargeSource::kHeld) != sources.end();
}

}  // namespace

// False where steps must be taken one after the other.
bool CpuSample::RunPasses(const CpuRun& run, std::size_t layer, std::int64_t steps, CpuScratch& scratch) {
  if (!run.StepsByPasses(layer) || !PrepareHeld(run, layer, scratch)) {
    return false;
  }
  // The inputs of a session may have been others before.
  const std::int64_t begin = run.spec->session && HasHeldSource(run, layer) ? done_ : 0;
  std::vector<ClosedSample>& entries = scratch.closed.samples;
  entries.clear();
  for (std::int64_t step = 1; step <= steps; ++step) {
    entries.push_back({&layers_, &inputs_, done_ + step, begin});
  }
  RunStepPass(run, layer, run.observed[layer], entries, scratch);
  if (std::any_of(entries.begin(), entries.end(), [](const ClosedSample& at) { return at.failed >= 0; })) {
    Fail(run, layer);
  } else {
    TakePasses(run, layer, steps, scratch);
  }
  return true;
}

// Whether all inputs that the layer reads are held; what each brings in a step is known then, where passes
// add it up.
bool CpuSample::PrepareHeld(const CpuRun& run, std::size_t layer, CpuScratch& scratch) {
  const std::vector<ChargeSource>& sources = run.passes[layer].sources;
  const bool fused = run.IsFusedAtAnyStep(layer) && !run.observed[layer] && !run.spec->session;
  for (std::size_t t = 0; t < sources.size(); ++t) {
    if (sources[t] != ChargeSource::kHeld) {
      continue;
    }
    if (!run.IsHeld(run.plan->layers[layer].terms[t].population) ||
        (!fused && !TermCharges(run, layer, t, 0, scratch))) {
      return false;
    }
  }
  return true;
}

// The steps' spikes, from what has been sent by each of them.
void CpuSample::TakePasses(const CpuRun& run, std::size_t layer, std::int64_t steps, CpuScratch& scratch) {
  const std::int64_t population = run.plan->layers[layer].population;
  LayerState& state = layers_[layer];
  ClosedScratch::Sent& sent = scratch.closed.sent[layer][0];
  LayerView view{.layer = layer, .total = {}, .voltage = state.neurons.voltage, .counts = {}, .values = {}};
  const bool gross = run.spec->gross_statistics;
  spikes_ -= gross ? 0 : SumOf(state.sent);
  for (std::int64_t step = 0; step < steps; ++step) {
    const std::span<std::int32_t> counts = scratch.WriteCounts(population, step);
    scratch.Largest(population, step) = kernels::TakeChange(sent.Counts(Index(step)), state.sent, counts);
    if (gross) {
      CountMagnitudes(counts, state);
    }
    view.counts = counts;
    if (run.observed[layer]) {
      ShowPass(run, step, scratch, view);
    }
  }
  if (!gross) {
    spikes_ += SumOf(state.sent);
    for (std::size_t j = 0; j < state.spikes.size(); ++j) {
      state.spikes[j] = std::abs(state.sent[j]);
    }
  }
  for (const TermState& term : state.terms) {
    if (run.spec->session && !run.observed[layer] && !term.whole.empty()) {
      kernels::AddTimes(term.whole, steps, state.received);
    }
  }
}

// Shows a step to the probes of the layer.
void CpuSample::ShowPass(const CpuRun& run, std::int64_t step, CpuScratch& scratch, LayerView& view) {
  const MemoryConstants& memory = run.constants[view.layer].memory;
  LayerState& state = layers_[view.layer];
  const std::size_t size = state.sent.size();
  const std::span<const std::int64_t> z = scratch.closed.z.subspan(Index(step) * size, size);
  const std::span<float> total = scratch.total.first(size);
  const std::int64_t steps = done_ + step + 1;
  for (std::size_t j = 0; j < size; ++j) {
    const std::int64_t received = z[j] - steps * memory.bias[j];
    total[j] = static_cast<float>(static_cast<double>(received - state.received[j]) / memory.unit[j]);
    state.received[j] = received;
    state.neurons.voltage[j] =
        static_cast<float>(static_cast<double>(z[j] + memory.start[j]) / memory.unit[j]);
  }
  view.total = total;
  readout_.StepLayer(run, view, scratch.output);
}

}  // namespace spikeserve::engine
