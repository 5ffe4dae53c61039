#include "server/engine/cuda/layout/layout.h"

#include <algorithm>

#include "server/engine/cuda/layout/closed_scratch.h"
#include "server/engine/cuda/layout/neurons.h"
#include "server/engine/cuda/layout/scratch.h"
#include "server/engine/network/neuron_models.h"
#include "server/engine/run/constants/run_constants.h"

namespace spikeserve::engine {
namespace {

// One pass over the run's buffers. One use.
class Layout {
 public:
  Layout(const CudaRun& run, const CudaLaunchShape& launch) : run_(run), plan_(*run.plan), launch_(launch) {}

  void TakeConstants(CudaArena& arena) {
    for (std::size_t l = 0; l < plan_.layers.size(); ++l) {
      const Layer& layer = plan_.layers[l];
      CudaLayerBuffers buffers;
      buffers.bias = arena.Take<float>(layer.size);
      buffers.initial_voltage = arena.Take<float>(CudaStatesOf(layer).voltage ? layer.size : 0);
      for (std::size_t t = 0; t < layer.terms.size(); ++t) {
        const Term& term = layer.terms[t];
        CudaTermBuffers of_term;
        of_term.scale = arena.Take<float>(layer.size);
        of_term.readout_scale = arena.Take<float>(IsFolded(l) ? layer.size : 0);
        of_term.offset = arena.Take<float>(HasOffset(term) ? layer.size : 0);
        of_term.weights = TakeWeights(run_.term_filters[l][t], arena);
        const bool whole = run_.IsClosed(l) && HasOffset(term) && run_.IsWhole(l, t);
        of_term.whole_offset = arena.Take<std::int64_t>(whole ? layer.size : 0);
        buffers.terms.push_back(of_term);
      }
      buffers.memory = TakeMemory(l, arena);
      buffers_.layers.push_back(std::move(buffers));
    }
    for (const CudaFilterConstants& filter : run_.probe_filters) {
      buffers_.probes.emplace_back().weights = TakeWeights(filter, arena);
    }
  }

  // What lives as long as a batch, or a chunk of it, and is not state.
  void TakeBatch(CudaArena& arena) {
    for (std::size_t p = 0; p < plan_.populations.size(); ++p) {
      buffers_.populations.push_back(TakePopulation(p, arena));
    }
    for (std::size_t l = 0; l < plan_.layers.size(); ++l) {
      CudaLayerBuffers& buffers = buffers_.layers[l];
      const bool counted = run_.spec->statistics && IsSpiking(plan_.layers[l]);
      buffers.activity = arena.Take<cuda::ActivitySum>(counted ? launch_.samples : 0);
      for (std::size_t t = 0; t < buffers.terms.size(); ++t) {
        const std::int64_t size = launch_.samples * plan_.layers[l].size;
        const bool closed = run_.IsClosed(l) && run_.closed_layers[l].sources[t] == ChargeSource::kHeld;
        buffers.terms[t].held = arena.Take<float>(IsHeld(l, t) ? size : 0);
        buffers.terms[t].whole = arena.Take<std::int64_t>(closed ? size : 0);
      }
    }
    for (std::size_t p = 0; p < run_.spec->probes.size(); ++p) {
      CudaProbeBuffers& buffers = buffers_.probes[p];
      const std::int64_t size = launch_.samples * run_.probe(p).size;
      buffers.trajectory = TakeOutput(run_.spec->trajectories ? size * launch_.chunk : 0, arena);
      buffers.answer = arena.Take<float>(size);
      buffers.answer_sum = arena.Take<double>(run_.folded[p] ? 0 : size);
    }
    for (std::size_t r = 0; r < run_.record_layers.size(); ++r) {
      buffers_.records.push_back(TakeOutput(launch_.samples * launch_.chunk * run_.RecordSize(r), arena));
    }
    buffers_.sample_index = arena.Take<std::uint32_t>(run_.Draws() ? launch_.samples : 0);
    buffers_.seed = arena.Take<std::uint64_t>(run_.Draws() ? 1 : 0);
    buffers_.needed = arena.Take<std::int32_t>(static_cast<std::int64_t>(run_.operand_count));
    buffers_.untold = arena.Take<std::int32_t>(run_.HasClosed() ? launch_.samples : 0);
    buffers_.exceeded = arena.Take<std::int32_t>(1);
    buffers_.exceeded_leaving = arena.Take<std::int32_t>(1);
    buffers_.read_spikes = arena.Take<std::int64_t>(launch_.samples);
    buffers_.read_failed = arena.Take<std::int32_t>(launch_.samples);
  }

  void TakeState(CudaArena& arena) {
    buffers_.clock = arena.Take<std::int64_t>(launch_.samples);
    buffers_.sample_spikes = arena.Take<std::int64_t>(launch_.samples);
    buffers_.failed = arena.Take<std::int32_t>(launch_.samples);
    for (std::size_t l = 0; l < plan_.layers.size(); ++l) {
      TakeLayerState(l, arena);
    }
    for (std::size_t p = 0; p < run_.spec->probes.size(); ++p) {
      TakeProbeState(p, arena);
    }
  }

  CudaBuffers& buffers() { return buffers_; }

 private:
  static float* TakeWeights(const CudaFilterConstants& filter, CudaArena& arena) {
    return filter == nullptr ? nullptr : TakeFilterWeights(*filter, arena);
  }
  bool IsSpiking(const Layer& layer) const {
    return layer.population >= 0 && run_.population(layer.population).spiking;
  }
  bool IsFolded(std::size_t layer) const {
    for (std::size_t p = 0; p < run_.folded.size(); ++p) {
      if (run_.folded[p] && Index(run_.probe(p).layer) == layer) {
        return true;
      }
    }
    return false;
  }
  bool IsHeld(std::size_t layer, std::size_t term) const {
    return run_.stepped[layer] && run_.populations[Index(plan_.layers[layer].terms[term].population)].held;
  }
  CudaMemoryBuffers TakeMemory(std::size_t layer, CudaArena& arena) const {
    CudaMemoryBuffers memory;
    if (run_.IsClosed(layer)) {
      const std::int64_t size = plan_.layers[layer].size;
      const auto& model = std::get<MemoryRectifiedLinear>(NeuronsOf(plan_.layers[layer])->model);
      memory.bias = arena.Take<std::int64_t>(size);
      memory.start = arena.Take<std::int64_t>(size);
      memory.ceiling = arena.Take<std::int64_t>(model.max_value ? size : 0);
      memory.unit = arena.Take<double>(size);
      memory.shift = arena.Take<std::uint8_t>(size);
    }
    return memory;
  }
  bool HasOffset(const Term& term) const {
    if (!run_.populations[Index(term.population)].bytes) {
      return false;
    }
    const OperationKind& kind =
        plan_.network->definition().operations[Index(run_.population(term.population).operation)].kind;
    return std::get<InputOperation>(kind).uint8_offset.value_or(0) != 0;
  }

  static CudaOutput TakeOutput(std::int64_t count, CudaArena& arena) {
    CudaOutput output;
    output.values = arena.Take<float>(count);
    output.leaving = arena.Take<float>(count);
    return output;
  }

  CudaPopulationBuffers TakePopulation(std::size_t index, CudaArena& arena) const {
    const Population& population = plan_.populations[index];
    const CudaPopulation& use = run_.populations[index];
    CudaPopulationBuffers buffers;
    buffers.stride = population.spiking ? cuda::PadHalves(population.size) : population.size;
    if (run_.IsClosedPopulation(static_cast<std::int64_t>(index))) {
      buffers.sent = TakeSent(population, use, arena);
      return buffers;
    }
    if (population.spiking) {
      buffers.counts = arena.Take<std::int32_t>(use.stored ? launch_.rows() * buffers.stride : 0);
      buffers.largest = arena.Take<std::int32_t>(launch_.samples);
    } else if (population.layer >= 0) {
      buffers.values = arena.Take<float>(launch_.rows() * population.size);
    } else if (use.encoded) {
      buffers.encoded = arena.Take<float>(launch_.samples * population.size);
      buffers.values = arena.Take<float>(launch_.rows() * population.size);
    } else {
      const std::int64_t size = launch_.samples * population.size * (use.held ? 1 : launch_.chunk);
      buffers.landing = arena.Take<std::byte>(use.held ? 0 : size * (use.bytes ? 1 : 4));
      buffers.bytes = arena.Take<std::uint8_t>(use.bytes ? size : 0);
      buffers.values = arena.Take<float>(!use.bytes || use.as_values ? size : 0);
    }
    return buffers;
  }

  std::vector<CudaSent> TakeSent(const Population& population, const CudaPopulation& use,
                                 CudaArena& arena) const {
    std::vector<CudaSent> sent(run_.closed_layers[Index(population.layer)].ages.size());
    const std::int64_t digits = DigitRows(launch_.rows()) * cuda::PadBytes(population.size);
    for (CudaSent& at_age : sent) {
      at_age.counts = arena.Take<std::int32_t>(launch_.rows() * population.size);
      at_age.digits = arena.Take<std::int8_t>(use.read_as_digits ? digits : 0);
    }
    return sent;
  }

  void TakeLayerState(std::size_t index, CudaArena& arena) {
    const Layer& layer = plan_.layers[index];
    CudaLayerBuffers& buffers = buffers_.layers[index];
    const std::int64_t size = launch_.samples * layer.size;
    const bool spiking = IsSpiking(layer);
    math::ForEachState(
        [&arena, size](bool kept, float*& state) { state = arena.Take<float>(kept ? size : 0); },
        CudaStatesOf(layer), buffers.state);
    buffers.neuron_spikes = arena.Take<std::int64_t>(spiking && run_.spec->statistics ? size : 0);
    for (std::size_t t = 0; t < layer.terms.size(); ++t) {
      const std::int64_t source = run_.population(layer.terms[t].population).size;
      const bool totals = run_.IsClosed(index) && run_.HasTotals(index, t);
      const bool rounded = run_.IsClosed(index) && run_.IsRounded(index, t);
      buffers.terms[t].received = arena.Take<std::int64_t>(rounded ? size : 0);
      buffers.terms[t].totals = arena.Take<std::int64_t>(totals ? launch_.samples * source : 0);
      const CudaFilterConstants& general = run_.term_filters[index][t];
      const bool filtered = run_.stepped[index] && layer.terms[t].synapse.has_value() && general == nullptr;
      buffers.terms[t].filter = arena.Take<float>(filtered ? size : 0);
      if (run_.stepped[index] && general != nullptr) {
        buffers.terms[t].general = TakeFilter(*general, launch_.samples, layer.size, buffers.terms[t].weights,
                                              buffers_.clock, arena);
      }
    }
  }

  void TakeProbeState(std::size_t index, CudaArena& arena) {
    const ProbePlan& probe = run_.probe(index);
    CudaProbeBuffers& buffers = buffers_.probes[index];
    const std::int64_t size = run_.IsStepped(index) ? launch_.samples * probe.size : 0;
    const CudaFilterConstants& general = run_.probe_filters[index];
    buffers.filter = arena.Take<float>(probe.synapse && general == nullptr ? size : 0);
    if (general != nullptr) {  // never folded
      buffers.general =
          TakeFilter(*general, launch_.samples, probe.size, buffers.weights, buffers_.clock, arena);
    }
    buffers.last = arena.Take<float>(size);
    buffers.sum = arena.Take<double>(size);
    for (std::size_t t = 0; run_.folded[index] && t < run_.probed_layer(index).terms.size(); ++t) {
      buffers.folds.push_back(TakeFold(run_.probed_layer(index).terms[t], probe, arena));
    }
  }

  cuda::FoldState TakeFold(const Term& term, const ProbePlan& probe, CudaArena& arena) const {
    const double dt = run_.spec->settings.dt_s;
    const double a = term.synapse ? DecayOf(*term.synapse, dt) : 0.0;
    const double b = probe.synapse ? DecayOf(*probe.synapse, dt) : 0.0;
    const std::int64_t size = launch_.samples * run_.population(term.population).size;
    cuda::FoldState fold;
    fold.filters = {term.synapse.has_value(),  static_cast<float>(a), static_cast<float>(1 - a),
                    probe.synapse.has_value(), static_cast<float>(b), static_cast<float>(1 - b)};
    fold.skip = run_.spec->settings.readout.skip_steps;
    fold.clock = buffers_.clock;
    fold.total = arena.Take<double>(size);
    fold.start = arena.Take<double>(size);
    fold.filtered = arena.Take<float>(fold.filters.synapse ? size : 0);
    fold.probed = arena.Take<float>(fold.filters.probe_synapse ? size : 0);
    fold.last = arena.Take<float>(size);
    return fold;
  }

  const CudaRun& run_;
  const Plan& plan_;
  const CudaLaunchShape& launch_;
  CudaBuffers buffers_;
};

std::int64_t LayOutBytes(const CudaRun& run, const CudaLaunchShape& launch) {
  CudaArena arena;
  LayOutBuffers(run, launch, arena);
  return arena.used();
}

// Their sum, though they share one place: what is taken per row is the same for any number of rows.
std::int64_t AllScratchBytes(const CudaRun& run, std::int64_t rows) {
  return ScratchBytes(run, rows) + ClosedScratchBytes(run, rows);
}

// The most that padding may add to what the arrays of a run hold, whatever their sizes.
std::int64_t PaddingBytes(const CudaRun& run) {
  CudaArena arena;
  constexpr auto kSnapshots = static_cast<std::int64_t>(kCudaSlots);
  CudaArena state;  // and its snapshots
  const CudaLaunchShape one{1, 1, 1};
  Layout layout(run, one);
  layout.TakeConstants(arena);
  layout.TakeBatch(arena);
  layout.TakeState(state);
  std::int64_t scratch = 0;
  for (std::size_t l = 0; l < run.stepped.size(); ++l) {
    for (const bool reading : {false, true}) {
      CudaArena of_layer;
      LayOutScratch(run, l, 1, reading, of_layer);
      scratch = std::max(scratch, of_layer.arrays());
    }
    CudaArena of_closed;
    LayOutClosedScratch(run, l, 1, of_closed);
    scratch = std::max(scratch, of_closed.arrays());
  }
  return (arena.arrays() + (1 + kSnapshots) * (state.arrays() + 1) + scratch) * CudaArena::kAlignment;
}

// What the busiest layer reads and writes per row.
std::int64_t HotRowBytes(const CudaRun& run) {
  constexpr std::int64_t kRows = 256;
  std::int64_t most = 0;
  for (std::size_t l = 0; l < run.stepped.size(); ++l) {
    const Layer& layer = run.plan->layers[l];
    CudaArena arena;
    if (run.IsClosed(l)) {
      LayOutClosedScratch(run, l, kRows, arena);
      most = std::max(most, arena.used() / kRows);
    }
    if (!run.stepped[l]) {
      continue;
    }
    LayOutScratch(run, l, kRows, false, arena);
    std::int64_t bytes = arena.used() / kRows;
    const bool stored = layer.population >= 0 && run.populations[Index(layer.population)].stored;
    bytes += stored ? 2 * layer.size : 0;
    for (const Term& term : layer.terms) {
      bytes += run.populations[Index(term.population)].held ? 0 : 2 * run.population(term.population).size;
    }
    most = std::max(most, bytes);
  }
  return most;
}

std::int64_t LinesPerRow(const CudaRun& run) {
  std::int64_t most = 1;
  for (std::size_t l = 0; l < run.stepped.size(); ++l) {
    const bool runs = run.stepped[l] || run.IsClosed(l);
    for (std::size_t t = 0; runs && t < run.plan->layers[l].terms.size(); ++t) {
      const CudaTerm& term = run.weights->term(l, t);
      const std::int64_t pixels = term.shape == cuda::ProductShape::kConv ? cuda::Pixels(term.conv) : 1;
      most = std::max(most, run.IsClosed(l) ? pixels * cuda::kMostPlanes : pixels);
    }
  }
  return most;
}

}  // namespace

CudaBuffers LayOutBuffers(const CudaRun& run, const CudaLaunchShape& launch, CudaArena& arena) {
  Layout counting(run, launch);
  CudaArena unused;
  CudaArena state_size;
  counting.TakeConstants(unused);
  counting.TakeBatch(unused);
  counting.TakeState(state_size);

  Layout layout(run, launch);
  layout.TakeConstants(arena);
  layout.TakeBatch(arena);
  auto* const state = arena.Take<std::byte>(state_size.used());
  CudaArena state_arena(state);
  state_arena.List(layout.buffers().state_arrays);
  layout.TakeState(state_arena);
  layout.buffers().state = state;
  layout.buffers().state_bytes = state_size.used();
  for (std::byte*& snapshot : layout.buffers().snapshots) {
    snapshot = arena.Take<std::byte>(state_size.used());
  }
  return std::move(layout.buffers());
}

std::int64_t WorkspaceBytes(const CudaRun& run, const CudaLaunchShape& launch) {
  return LayOutBytes(run, launch) + AllScratchBytes(run, launch.rows());
}

// Differences between layouts: what lays the buffers out says what each further sample, step or row takes.
CudaDemand DemandOf(const CudaRun& run) {
  constexpr std::int64_t kSide = 16;
  constexpr std::int64_t kRows = kSide * kSide;
  const auto per_row = [](std::int64_t bytes) { return (bytes + kRows - 1) / kRows; };
  CudaDemand demand;
  // A session's pieces are as long as its messages say: smaller chunks leave room for more samples at a time.
  demand.steps = run.spec->session ? kMaxChunkSteps : run.spec->settings.steps;
  demand.steps = run.takes_steps ? demand.steps : 1;
  const std::int64_t none = LayOutBytes(run, {0, 0, 0});
  const std::int64_t samples = LayOutBytes(run, {kRows, 0, 0});
  demand.fixed_bytes = none + AllScratchBytes(run, 0) + PaddingBytes(run);
  demand.sample_bytes = per_row(samples - none);
  demand.batch_step_bytes = per_row(LayOutBytes(run, {kRows, 0, kSide}) - samples) / kSide;
  demand.row_bytes = per_row(LayOutBytes(run, {0, kSide, kSide}) - none + AllScratchBytes(run, kRows));
  demand.hot_row_bytes = HotRowBytes(run);
  demand.lines_per_row = LinesPerRow(run);
  return demand;
}

}  // namespace spikeserve::engine
