#include "server/engine/cpu/cpu_run.h"

#include <algorithm>

#include "kernels/cpu/group_product.h"
#include "kernels/cpu/spikes/event_layer.h"
#include "server/engine/cpu/window_sums.h"
#include "server/engine/run/layers.h"

namespace spikeserve::engine {
namespace {

// What a chunk's spikes may take as integers: a quarter of it as bytes. Fewer steps would keep them in nearer
// caches, but weights come from farther than spikes, and each chunk reads all of them.
constexpr std::int64_t kChunkBytes = std::int64_t{1} << 26;

// Whether nothing drives neurons but inputs that do not vary: nobody reads single spikes. Those of a session
// may vary later.
bool HasHeldDriveOnly(const Plan& plan, const SimulationSpec& spec) {
  return !spec.session && std::all_of(plan.layers.begin(), plan.layers.end(), [&](const Layer& layer) {
    return !layer.emits() || std::all_of(layer.terms.begin(), layer.terms.end(), [&](const Term& term) {
      return IsHeldInput(plan, spec, term.population);
    });
  });
}

std::int64_t ChunkOf(const Plan& plan, const SimulationSpec& spec) {
  std::int64_t bytes_per_step = 1;
  for (const Population& population : plan.populations) {
    bytes_per_step += 4 * population.size;
  }
  const std::int64_t longest = HasHeldDriveOnly(plan, spec) ? kernels::kMaxUncountedSteps : kMaxChunkSteps;
  const std::int64_t most = std::clamp<std::int64_t>(kChunkBytes / bytes_per_step, 1, longest);
  return std::min(most, spec.settings.steps);
}

// Weights behind one output.
std::int64_t FanIn(const kernels::Product& product) {
  const kernels::ConvGeometry& g = product.conv;
  return product.kind == kernels::ProductKind::kConv ? g.kernel_height * g.kernel_width * g.in_channels
                                                     : product.in;
}

// Of one thread.
std::int64_t ScratchBytes(const Plan& plan, const SimulationSpec& spec, std::int64_t chunk) {
  constexpr std::int64_t kDigits = 8;        // of a count that is a byte
  constexpr std::int64_t kPerCount = 4 + 1;  // as an integer, as a byte
  std::int64_t bytes = 0;
  std::int64_t widest = 1;
  std::int64_t window = 0;
  std::vector<std::int64_t> listed;  // by term: cells whose spikes are gathered and listed, at most
  for (std::size_t i = 0; i < plan.populations.size(); ++i) {
    const Population& population = plan.populations[i];
    // A held input has one row and buffers for a group of samples; no more of a chunk, however long.
    const bool held = IsHeldInput(plan, spec, static_cast<std::int64_t>(i));
    bytes += (held ? std::min(chunk, kMaxChunkSteps) : chunk) * (kPerCount * population.size + 4);
    widest = std::max(widest, population.size);
  }
  for (const Layer& layer : plan.layers) {
    widest = std::max(widest, layer.size);
    std::int64_t of_layer = 0;
    listed.resize(std::max(listed.size(), layer.terms.size()), 0);
    for (std::size_t t = 0; t < layer.terms.size(); ++t) {
      const Term& term = layer.terms[t];
      const kernels::Product& product = term.product;
      widest = std::max(widest, product.in);
      if (NeuronsOf(layer) != nullptr && plan.populations[Index(term.population)].spiking) {
        listed[t] = std::max(listed[t], product.in);
        // The spikes under a window, and the sums and running sums of a block of neurons.
        const std::int64_t windows =
            product.kind == kernels::ProductKind::kConv ? WindowSums::kMostPerBundle : 1;
        of_layer +=
            windows * ((2 * kDigits + 3) * (FanIn(product) + 64) + 8 * kernels::kMaxEventBlockWidth + 64);
      }
    }
    window = std::max(window, of_layer);
  }
  bytes += (chunk + 1) * window;
  for (const std::int64_t cells : listed) {
    bytes += (chunk + 1) * cells * (1 + 2 * kDigits);
  }
  return bytes + 48 * widest;  // CurrentScratch and the buffers of CpuScratch
}

// Per element.
std::int64_t GeneralFilterBytes(const Synapse& synapse, std::int64_t delay_steps,
                                const SimulationSpec& spec) {
  return IsSimple(synapse, delay_steps)
             ? 0
             : kernels::FilterBytes(MakeFilter(synapse, delay_steps, spec.settings.dt_s));
}

std::int64_t SampleBytes(const Plan& plan, const SimulationSpec& spec) {
  constexpr std::int64_t kPerVector = 64;  // the object and what its allocation adds
  std::int64_t bytes = 1024;
  for (const Layer& layer : plan.layers) {
    bytes += (layer.size * 8 + 3 * kPerVector) * (3 + static_cast<std::int64_t>(layer.terms.size()));
    for (const Term& term : layer.terms) {
      bytes += layer.size * GeneralFilterBytes(term.synapse, term.delay_steps, spec);
    }
  }
  for (const std::int64_t index : spec.probes) {
    const ProbePlan& probe = plan.probes[Index(index)];
    bytes += 24 * probe.size + 8 * kPerVector +
             probe.size * GeneralFilterBytes(probe.synapse, probe.delay_steps, spec);
    for (const Term& term : plan.layers[Index(probe.layer)].terms) {
      bytes += 28 * plan.populations[Index(term.population)].size + 8 * kPerVector;
    }
  }
  return bytes;
}

// Who reads what each population emits. A fold that is one population's only one can be fused into its
// kernel.
void FindReaders(const Plan& plan, CpuRun& run) {
  run.read.resize(plan.populations.size());
  run.loads.resize(plan.populations.size());
  run.fused.resize(plan.populations.size());
  std::vector<std::int64_t> folds(plan.populations.size());
  for (std::size_t l = 0; l < plan.layers.size(); ++l) {
    for (std::size_t t = 0; run.stepped[l] && t < plan.layers[l].terms.size(); ++t) {
      const std::int64_t source = plan.layers[l].terms[t].population;
      run.read[Index(source)] = true;
      run.loads[Index(source)] = run.loads[Index(source)] || !run.IsPrepared(l, t);
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

ReadoutWeights MakeReadoutWeights(const Plan& plan) {
  ReadoutWeights weights(plan.layers.size());
  for (const ProbePlan& probe : plan.probes) {
    std::vector<ReadoutTerm>& of_layer = weights[Index(probe.layer)];
    if (!IsFolded(plan, probe) || !of_layer.empty()) {
      continue;
    }
    for (const Term& term : plan.layers[Index(probe.layer)].terms) {
      const kernels::Product& product = term.product;
      ReadoutTerm& readout = of_layer.emplace_back();
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
    }
  }
  return weights;
}

CpuRun MakeCpuRun(const Plan& plan, const ReadoutWeights& weights, const VectorWeights* vector_weights,
                  const CheckedSpec& spec, CpuPath path) {
  CpuRun run(spec);
  run.plan = &plan;
  run.readout_weights = &weights;
  run.vector_weights = vector_weights;
  run.path = path;
  run.constants = MakeConstants(plan, *spec);
  run.chunk = ChunkOf(plan, *spec);
  run.stepped.resize(plan.layers.size());
  run.observed.resize(plan.layers.size());
  for (std::size_t l = 0; l < plan.layers.size(); ++l) {
    run.stepped[l] = plan.layers[l].emits();
  }
  for (const std::int64_t index : spec->probes) {
    const ProbePlan& probe = plan.probes[Index(index)];
    run.folded.push_back(IsFolded(plan, probe));
    run.probe_filters.emplace_back();
    if (!IsSimple(probe.synapse, probe.delay_steps)) {
      run.probe_filters.back() = std::make_shared<kernels::FilterConstants>(
          MakeFilter(probe.synapse, probe.delay_steps, spec->settings.dt_s));
    }
    if (!run.folded.back() || spec->trajectories) {
      run.stepped[Index(probe.layer)] = true;
      run.observed[Index(probe.layer)] = true;
    }
  }
  for (const RequestProbe& probe : spec->request_probes) {
    run.record_layers.push_back(LayerOf(plan, probe.operation));
    run.stepped[Index(run.record_layers.back())] = true;
    run.observed[Index(run.record_layers.back())] = true;
  }
  if (spec->settings.readout.kind == ReadoutKind::kCorrectedMean) {
    run.correction = ReadoutCorrection(FindFilterPaths(plan), *spec);
  }
  FindReaders(plan, run);
  return run;
}

CpuRun CpuRun::With(const CheckedSpec& changed) const {
  return MakeCpuRun(*plan, *readout_weights, vector_weights, changed, path);
}

std::int64_t CpuRunBytes(const Plan& plan, const SimulationSpec& spec, std::int64_t samples,
                         std::int64_t threads) {
  return ConstantBytes(plan) + threads * ScratchBytes(plan, spec, ChunkOf(plan, spec)) +
         samples * SampleBytes(plan, spec);
}

}  // namespace spikeserve::engine
