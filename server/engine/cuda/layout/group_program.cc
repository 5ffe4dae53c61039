#include "server/engine/cuda/layout/group_program.h"

#include "server/base/overloaded.h"
#include "server/engine/cuda/layout/closed_products.h"
#include "server/engine/cuda/layout/neurons.h"
#include "server/engine/cuda/layout/products.h"
#include "server/engine/cuda/layout/program_parts.h"
#include "server/engine/cuda/layout/scratch.h"

namespace spikeserve::engine {
namespace {

using cuda::Cells;
using cuda::CellType;

// One chunk of `count` samples from `first` on through all layers. One use.
class GroupProgram {
 public:
  GroupProgram(const CudaScene& scene, std::int64_t steps, bool wide, std::int64_t first, std::int64_t count,
               cuda::Program& program)
      : scene_(scene),
        run_(scene.run),
        buffers_(scene.buffers),
        steps_(steps),
        wide_(wide),
        first_(first),
        count_(count),
        program_(program) {}

  void Append() {
    for (std::size_t i = 0; i < run_.populations.size(); ++i) {
      if (run_.populations[i].encoded) {
        AppendEncoding(i);
      }
    }
    for (std::size_t l = 0; l < run_.stepped.size(); ++l) {
      if (run_.stepped[l]) {
        AppendLayer(l);
      }
      if (run_.IsClosed(l)) {
        AppendReceived(l);
      }
    }
    AppendFolds();
  }

 private:
  void AppendEncoding(std::size_t input) {
    const RunSettings& settings = run_.spec->settings;
    const Encoding& encoding = *run_.spec->inputs[input].encoding;
    const CudaPopulationBuffers& buffers = buffers_.populations[input];
    cuda::Encode call;
    call.samples = count_;
    call.steps = steps_;
    call.size = run_.plan->populations[input].size;
    call.encoding = ConstantsOf(encoding, settings.dt_s);
    call.worth = static_cast<float>(1 / call.encoding.at_one);
    call.seed = buffers_.seed;
    call.input = static_cast<std::uint32_t>(input);
    call.sample_index = buffers_.sample_index + first_;
    call.clock = buffers_.clock + first_;
    call.values = buffers.encoded + first_ * call.size;
    call.out = buffers.values;
    program_.emplace_back(call);
  }

  // What a layer in closed form must know of every step.
  void AppendReceived(std::size_t l) {
    const std::vector<Term>& terms = run_.plan->layers[l].terms;
    for (std::size_t t = 0; t < terms.size(); ++t) {
      const std::int64_t population = terms[t].population;
      const std::int64_t size = run_.population(population).size;
      if (run_.HasTotals(l, t)) {
        program_.emplace_back(cuda::AddTotals{count_, steps_, size, Source(population, false),
                                              buffers_.layers[l].terms[t].totals + first_ * size});
      } else if (run_.IsRounded(l, t)) {
        AppendRounded(scene_, l, t, {Source(population, true), first_, count_, steps_}, program_);
      }
    }
  }

  Cells Source(std::int64_t population, bool as_values) const {
    const CudaPopulationBuffers& buffers = buffers_.populations[Index(population)];
    const Population& source = run_.population(population);
    if (source.layer < 0) {
      return InputCells(scene_, population, first_, steps_, as_values);
    }
    if (source.spiking) {
      return {buffers.counts, wide_ ? CellType::kInt32 : CellType::kHalf, buffers.stride};
    }
    return {buffers.values, CellType::kFloat, source.size};
  }

  void AppendLayer(std::size_t l) {
    const Layer& layer = run_.plan->layers[l];
    CudaArena arena(buffers_.scratch);
    const CudaLayerScratch scratch = LayOutScratch(run_, l, scene_.launch.rows(), false, arena);
    cuda::Scan empty;
    empty.samples = count_;
    empty.steps = steps_;
    empty.size = layer.size;
    empty.layer = static_cast<std::int32_t>(l);
    empty.failed = buffers_.failed + first_;
    ScanChain chain(empty, scratch.base, program_);
    for (std::size_t t = 0; t < layer.terms.size(); ++t) {
      const std::size_t slot = chain.NextSlot();
      cuda::ScanTerm& to = chain.Add();
      AppendTerm(l, t, scratch, scratch.sums[slot], to);
      AppendFilter(l, t, scratch.filtered[slot], to);
    }
    if (scratch.currents != nullptr) {
      chain.Sum(scratch.currents);
    }
    SetNeurons(l, scratch, chain.last());
    program_.emplace_back(chain.last());
    AppendKind(layer, scratch);
    AppendProbes(l, scratch);
    AppendRecords(l, scratch);
  }

  void AppendTerm(std::size_t l, std::size_t t, const CudaLayerScratch& scratch, float* sums,
                  cuda::ScanTerm& to) {
    const Layer& layer = run_.plan->layers[l];
    const std::int64_t population = layer.terms[t].population;
    const CudaTermBuffers& buffers = buffers_.layers[l].terms[t];
    const CudaTerm& term = run_.weights->term(l, t);
    const TermConstants& constants = scene_.constants[l].terms[t];
    to.held = run_.populations[Index(population)].held;
    to.scale = buffers.scale;
    to.offset = buffers.offset;
    to.filtered = constants.filtered;
    to.decay = constants.decay;
    to.filter = From(buffers.filter, first_ * layer.size);
    if (to.held) {
      SetSums(term, false, buffers.held + first_ * layer.size, to);
      return;
    }
    const bool spiking = run_.population(population).spiking;
    if (spiking && wide_) {
      to.largest = buffers_.populations[Index(population)].largest + first_;
      to.fail_above = term.fail_above;
    }
    CudaProductRequest request;
    request.rows = count_ * steps_;
    request.source = Source(population, false);
    request.by_digits = !wide_ && UsesDigits(run_, l, t);
    request.wide = wide_ || NeedsWideSums(population, term);
    request.cells = scratch.cells;
    request.columns = scratch.columns;
    request.sums = sums;
    AppendProduct(term, request, program_);
    SetSums(term, request.by_digits, sums, to);
  }

  // The scan reads what a general filter shows in place of the term's sums.
  void AppendFilter(std::size_t l, std::size_t t, float* filtered, cuda::ScanTerm& to) {
    if (run_.term_filters[l][t] == nullptr) {
      return;
    }
    const std::int64_t size = run_.plan->layers[l].size;
    const cuda::Filter filter = From(buffers_.layers[l].terms[t].general, first_, size);
    program_.emplace_back(cuda::FilteredTerm{count_, steps_, size, to, filter, filtered});
    cuda::ScanTerm shown;
    shown.high = filtered;
    shown.channels = shown.stride = size;
    shown.largest = to.largest;
    shown.fail_above = to.fail_above;
    to = shown;
  }

  bool NeedsWideSums(std::int64_t population, const CudaTerm& term) const {
    const std::int64_t largest =
        run_.population(population).spiking ? run_.populations[Index(population)].count_limit : kLargestByte;
    return static_cast<double>(largest) * static_cast<double>(term.gather_most) * term.max_row_sum >=
           kNarrowBound;
  }

  void SetNeurons(std::size_t l, const CudaLayerScratch& scratch, cuda::Scan& scan) const {
    const Layer& layer = run_.plan->layers[l];
    const CudaLayerBuffers& buffers = buffers_.layers[l];
    scan.emitter = CudaEmitterOf(scene_.constants[l].neurons);
    scan.bias = buffers.bias;
    scan.draws_layer = DrawsOf({}, 0, layer.operation, 0).stream.layer;
    scan.clock = buffers_.clock + first_;
    scan.sample_index = From(buffers_.sample_index, first_);
    scan.seed = buffers_.seed;
    math::ForEachState([this, &layer](float*& to, float* state) { to = From(state, first_ * layer.size); },
                       scan.state, buffers.state);
    if (!layer.emits()) {
      scan.values = scratch.values;
    } else if (!run_.population(layer.population).spiking) {
      scan.values = buffers_.populations[Index(layer.population)].values;
    } else {
      SetSpikes(l, scratch, scan);
    }
  }

  void SetSpikes(std::size_t l, const CudaLayerScratch& scratch, cuda::Scan& scan) const {
    const Layer& layer = run_.plan->layers[l];
    const CudaLayerBuffers& buffers = buffers_.layers[l];
    const CudaPopulation& use = run_.populations[Index(layer.population)];
    const CudaPopulationBuffers& population = buffers_.populations[Index(layer.population)];
    scan.counts = use.stored ? population.counts : nullptr;
    scan.count_type = wide_ ? CellType::kInt32 : CellType::kHalf;
    scan.count_stride = population.stride;
    scan.voltages = scratch.voltages;
    scan.neuron_spikes = From(buffers.neuron_spikes, first_ * layer.size);
    scan.sample_spikes = buffers_.sample_spikes + first_;
    if (use.fused_probe >= 0) {
      scan.folded = true;
      scan.fold = From(buffers_.probes[Index(use.fused_probe)].folds[use.fused_term], first_, layer.size);
    }
    if (wide_) {
      scan.largest = population.largest + first_;
    } else {
      scan.count_limit = use.count_limit;
      scan.exceeded = buffers_.exceeded;
    }
  }

  // What the layer's kind wants behind the scan, which steps neurons and sums.
  void AppendKind(const Layer& layer, const CudaLayerScratch& scratch) {
    std::visit(Overloaded{[](const NeuronLayer&) {}, [](const LinearLayer&) {},
                          [&](const ActivationLayer& activation) {
                            AppendActivation(layer.size, activation, scratch.values);
                          }},
               layer.kind);
  }

  void AppendActivation(std::int64_t size, const ActivationLayer& layer, float* values) {
    cuda::Activate activate;
    activate.length = layer.row;
    activate.rows = count_ * steps_ * size / activate.length;
    activate.values = values;
    if (const auto* leaky = std::get_if<LeakyRelu>(&layer.activation.kind)) {
      activate.kind = cuda::ActivationKind::kLeakyRelu;
      activate.slope = static_cast<float>(leaky->negative_slope);
    }
    program_.emplace_back(activate);
  }

  void AppendProbes(std::size_t l, const CudaLayerScratch& scratch) {
    for (std::size_t p = 0; p < run_.spec->probes.size(); ++p) {
      if (Index(run_.probe(p).layer) == l && run_.IsStepped(p)) {
        AppendProbe(p, scratch);
      }
    }
  }

  // What a probe of the layer sees, counts times FactorOf.
  Cells Shown(const Layer& layer, ProbeQuantity quantity, const CudaLayerScratch& scratch) const {
    if (quantity == ProbeQuantity::kVoltage) {
      return {scratch.voltages, CellType::kFloat, layer.size};
    }
    if (layer.emits()) {
      return Source(layer.population, false);
    }
    return {scratch.values, CellType::kFloat, layer.size};
  }
  float FactorOf(std::size_t layer, ProbeQuantity quantity) const {
    return quantity == ProbeQuantity::kSpikes ? 1.0F : scene_.constants[layer].spike_height;
  }

  void AppendRecords(std::size_t l, const CudaLayerScratch& scratch) {
    const Layer& layer = run_.plan->layers[l];
    for (std::size_t r = 0; r < run_.record_layers.size(); ++r) {
      if (Index(run_.record_layers[r]) != l) {
        continue;
      }
      const ProbeQuantity quantity = run_.spec->request_probes[r].quantity;
      cuda::Record call;
      call.samples = count_;
      call.steps = steps_;
      call.size = layer.size;
      if (quantity == ProbeQuantity::kCurrent) {
        call.source = {scratch.currents, CellType::kFloat, layer.size};
        call.bias = buffers_.layers[l].bias;
        call.unit = scene_.constants[l].current_unit;
      } else {
        call.source = Shown(layer, quantity, scratch);
        call.factor = FactorOf(l, quantity);
      }
      call.out = buffers_.records[r].values + first_ * steps_ * layer.size;
      program_.emplace_back(call);
    }
  }

  void AppendProbe(std::size_t p, const CudaLayerScratch& scratch) {
    const ProbePlan& probe = run_.probe(p);
    const Layer& layer = run_.probed_layer(p);
    const CudaProbeBuffers& buffers = buffers_.probes[p];
    cuda::Probe call;
    call.samples = count_;
    call.steps = steps_;
    call.size = probe.size;
    call.source = Shown(layer, probe.quantity, scratch);
    call.factor = FactorOf(Index(probe.layer), probe.quantity);
    const bool filtered = probe.synapse.has_value() && run_.probe_filters[p] == nullptr;
    const double decay = filtered ? DecayOf(*probe.synapse, run_.spec->settings.dt_s) : 0.0;
    call.skip = run_.spec->settings.readout.skip_steps;
    call.clock = buffers_.clock + first_;
    call.filtered = filtered;
    call.decay = static_cast<float>(decay);
    call.gain = static_cast<float>(1 - decay);
    call.filter = From(buffers.filter, first_ * probe.size);
    call.last = buffers.last + first_ * probe.size;
    call.sum = buffers.sum + first_ * probe.size;
    call.trajectory = From(buffers.trajectory.values, first_ * steps_ * probe.size);
    if (run_.probe_filters[p] != nullptr) {
      program_.emplace_back(cuda::FilteredCells{count_, steps_, probe.size, call.source, call.factor,
                                                From(buffers.general, first_, probe.size), scratch.probed});
      call.source = {scratch.probed, CellType::kFloat, probe.size};
    }
    program_.emplace_back(call);
  }

  // The folds that no scan does.
  void AppendFolds() {
    for (std::size_t p = 0; p < run_.folded.size(); ++p) {
      for (std::size_t t = 0; t < buffers_.probes[p].folds.size(); ++t) {
        const std::int64_t population = run_.probed_layer(p).terms[t].population;
        const CudaPopulation& use = run_.populations[Index(population)];
        if (use.fused_probe == static_cast<std::int64_t>(p) && use.fused_term == t) {
          continue;
        }
        if (run_.IsClosedPopulation(population)) {
          continue;  // ClosedProgram sets it
        }
        const std::int64_t size = run_.population(population).size;
        program_.emplace_back(cuda::Fold{count_, steps_, size, Source(population, true), use.held,
                                         From(buffers_.probes[p].folds[t], first_, size)});
      }
    }
  }

  const CudaScene& scene_;
  const CudaRun& run_;
  const CudaBuffers& buffers_;
  const std::int64_t steps_;
  const bool wide_;
  const std::int64_t first_, count_;
  cuda::Program& program_;
};

}  // namespace

void AppendGroup(const CudaScene& scene, std::int64_t steps, bool wide, std::int64_t first,
                 std::int64_t count, cuda::Program& program) {
  GroupProgram(scene, steps, wide, first, count, program).Append();
}

}  // namespace spikeserve::engine
