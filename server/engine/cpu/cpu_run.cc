#include "server/engine/cpu/cpu_run.h"

#include "server/engine/cpu/layout/closed_scratch.h"

namespace spikeserve::engine {
namespace {

// Who reads what each population emits. A fold that is one population's only one can be fused into its
// kernel.
void FindReaders(CpuRun& run) {
  const Plan& plan = *run.plan;
  run.read.resize(plan.populations.size());
  run.loads.resize(plan.populations.size());
  run.fused.resize(plan.populations.size());
  std::vector<std::int64_t> folds(plan.populations.size());
  for (std::size_t l = 0; l < plan.layers.size(); ++l) {
    for (std::size_t t = 0; run.stepped[l] && t < plan.layers[l].terms.size(); ++t) {
      const std::int64_t source = plan.layers[l].terms[t].population;
      run.read[Index(source)] = true;
      const bool as_bytes = HasMemory(plan.layers[l]) && run.constants[l].terms[t].integers;
      run.loads[Index(source)] = run.loads[Index(source)] || (!run.IsPrepared(l, t) && !as_bytes);
    }
  }
  for (std::size_t p = 0; p < run.folded.size(); ++p) {
    const std::vector<Term>& terms = plan.layers[Index(run.probe(p).layer)].terms;
    for (std::size_t t = 0; run.folded[p] && t < terms.size(); ++t) {
      const std::size_t population = Index(terms[t].population);
      run.fused[population] = {static_cast<std::int64_t>(p), t};
      run.loads[population] = true;
      ++folds[population];
    }
  }
  for (std::size_t i = 0; i < folds.size(); ++i) {
    if (folds[i] != 1) {
      run.fused[i] = {};
      run.read[i] = run.read[i] || folds[i] > 1;
    }
  }
}

}  // namespace

CpuRun MakeCpuRun(RunShape shape, const ReadoutWeights& weights, CpuPath path) {
  CpuRun run(std::move(shape));
  run.readout_weights = &weights;
  run.path = path;
  run.constants = MakeConstants(*run.plan, *run.spec);
  for (std::size_t p = 0; p < run.spec->probes.size(); ++p) {
    const ProbePlan& probe = run.probe(p);
    run.probe_filters.emplace_back();
    if (!IsSimple(probe.synapse, probe.delay_steps)) {
      run.probe_filters.back() = std::make_shared<kernels::FilterConstants>(
          MakeFilter(probe.synapse, probe.delay_steps, run.spec->settings.dt_s));
    }
  }
  if (run.spec->settings.readout.kind == ReadoutKind::kCorrectedMean) {
    run.correction = ReadoutCorrection(FindFilterPaths(*run.plan), *run.spec);
  }
  FindReaders(run);
  return run;
}

CpuRun CpuRun::With(const CheckedSpec& changed) const {
  return MakeCpuRun(RunShape(*plan, vector_weights, changed), *readout_weights, path);
}

std::int64_t CpuRun::Bytes(const RunShape& run) {
  constexpr std::int64_t kBytes = 4096;  // the simulation's objects
  // The vectors of a layer, a term or a probe, and what allocations add.
  constexpr std::int64_t kPerPart = 512;
  std::int64_t parts = 0;
  for (const Layer& layer : run.plan->layers) {
    parts += 1 + static_cast<std::int64_t>(layer.terms.size());
  }
  const auto probes = static_cast<std::int64_t>(run.spec->probes.size() + run.spec->request_probes.size());
  return kBytes + kPerPart * (parts + probes) + ConstantBytes(*run.plan);
}

bool CpuRun::IsFused(std::size_t layer) const {
  const Layer& of_plan = plan->layers[layer];
  if (!passes[layer].closed() || of_plan.terms.size() != 1 || vector_weights == nullptr ||
      (*vector_weights)[layer].terms[0].empty()) {
    return false;
  }
  const MemoryConstants& memory = constants[layer].memory;
  if (!memory.IsRectified()) {
    return false;
  }
  switch (passes[layer].sources[0]) {
    case ChargeSource::kHeld: {
      // Of as many digits as are laid out at a time, and in range for as long as the run may take: then
      // nobody asks for more than this pass computes.
      const std::int64_t most = UINT8_MAX * of_plan.terms[0].product.gather.most;
      const double of_step = static_cast<double>(most) * of_plan.terms[0].product.max_row_sum +
                             static_cast<double>(memory.largest_offset);
      return constants[layer].terms[0].integers && most >> (kPlanesAtOnce * DigitBits()) == 0 &&
             of_step * static_cast<double>(spec->settings.steps) <= static_cast<double>(kLargestMemory) &&
             memory.Fits(spec->settings.steps);
    }
    case ChargeSource::kClosed:
      return !constants[Index(population(of_plan.terms[0].population).layer)].memory.may_be_negative;
    case ChargeSource::kSteps:
    case ChargeSource::kTotals: break;
  }
  return false;
}

bool CpuRun::IsFusedAtAnyStep(std::size_t layer) const {
  if (!IsFused(layer)) {
    return false;
  }
  const kernels::Product& product = plan->layers[layer].terms[0].product;
  return product.kind == kernels::ProductKind::kConv &&
         constants[layer].memory.period == product.conv.out_channels;
}

}  // namespace spikeserve::engine
