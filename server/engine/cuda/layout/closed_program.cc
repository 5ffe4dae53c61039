#include "server/engine/cuda/layout/closed_program.h"

#include <algorithm>
#include <optional>
#include <string>

#include "server/engine/cuda/layout/program_parts.h"
#include "server/engine/network/synapse_filter.h"

namespace spikeserve::engine {
namespace {

using cuda::WholeType;

// A block of samples through all layers in closed form.
class ClosedBlock {
 public:
  ClosedBlock(const CudaScene& scene, const CudaPlanes& planes, std::int64_t first, std::int64_t count,
              cuda::Program& program)
      : scene_(scene), run_(scene.run), planes_(planes), first_(first), count_(count), program_(program) {}

  void Append() {
    for (std::size_t l = 0; l < run_.closed_layers.size(); ++l) {
      for (std::size_t age = 0; age < run_.closed_layers[l].ages.size(); ++age) {
        AppendLayer(l, age);
      }
    }
    AppendFolds();
  }

 private:
  const std::vector<CudaSent>& SentOf(std::int64_t population) const {
    return scene_.buffers.populations[Index(population)].sent;
  }

  void AppendLayer(std::size_t l, std::size_t age) {
    const Layer& layer = run_.plan->layers[l];
    const MemoryConstants& constants = scene_.constants[l].memory;
    const CudaLayerBuffers& buffers = scene_.buffers.layers[l];
    ClosedProducts products(scene_, l, planes_, first_, count_, program_);
    cuda::MemoryNeurons neurons;
    for (std::size_t t = 0; t < layer.terms.size(); ++t) {
      neurons.terms[neurons.term_count++] = AppendTerm(l, t, run_.closed_layers[l].ages[age], products);
    }
    neurons.samples = count_;
    neurons.size = layer.size;
    neurons.clock = scene_.buffers.clock + first_;
    neurons.age = run_.closed_layers[l].ages[age];
    neurons.bias = buffers.memory.bias;
    neurons.start = buffers.memory.start;
    neurons.ceiling = buffers.memory.ceiling;
    neurons.shift = buffers.memory.shift;
    neurons.slope = constants.slope;
    neurons.most_steps = constants.MostSteps();
    neurons.layer = static_cast<std::int32_t>(l);
    neurons.failed = scene_.buffers.failed + first_;
    const CudaSent& sent = SentOf(layer.population)[age];
    neurons.counts = sent.counts;
    neurons.digits = sent.digits;
    neurons.stride = cuda::PadBytes(layer.size);
    neurons.room = products.Room(Index(layer.population));
    if (age == 0) {
      neurons.neuron_spikes = From(buffers.neuron_spikes, first_ * layer.size);
      neurons.sample_spikes = scene_.buffers.read_spikes + first_;
    }
    program_.emplace_back(neurons);
  }

  cuda::MemoryTerm AppendTerm(std::size_t l, std::size_t t, std::int64_t age, ClosedProducts& products) {
    const Layer& layer = run_.plan->layers[l];
    const Term& term = layer.terms[t];
    const CudaTermBuffers& buffers = scene_.buffers.layers[l].terms[t];
    const std::int64_t delay = PureDelay(term.synapse, term.delay_steps).value_or(0);
    const std::int64_t size = run_.population(term.population).size;
    cuda::MemoryTerm to;
    if (run_.closed_layers[l].sources[t] == ChargeSource::kHeld) {
      to.wholes = buffers.whole + first_ * layer.size;
      to.per_step = true;
      to.delay = delay;
    } else if (run_.closed_layers[l].sources[t] == ChargeSource::kClosed) {
      const ClosedLayer& source = run_.closed_layers[Index(run_.population(term.population).layer)];
      const CudaSent& sent = SentOf(term.population)[source.Place(age + delay)];
      to = products.Append(t, {{sent.counts, WholeType::kInt32, size}, sent.digits});
    } else if (run_.HasTotals(l, t)) {
      to = products.Append(t, {{buffers.totals + first_ * size, WholeType::kInt64, size}, nullptr});
      to.offset = buffers.whole_offset;
    } else {
      to.wholes = buffers.received + first_ * layer.size;
    }
    return to;
  }

  void AppendFolds() {
    for (std::size_t p = 0; p < run_.folded.size(); ++p) {
      for (std::size_t t = 0; t < scene_.buffers.probes[p].folds.size(); ++t) {
        const std::int64_t population = run_.probed_layer(p).terms[t].population;
        if (!run_.IsClosedPopulation(population)) {
          continue;
        }
        const std::int64_t size = run_.population(population).size;
        const std::vector<CudaSent>& sent = SentOf(population);
        const ClosedLayer& layer = run_.closed_layers[Index(run_.population(population).layer)];
        const bool before = sent.size() > 1 && layer.ages[1] == 1;
        program_.emplace_back(cuda::SetFold{count_, size, sent[0].counts, before ? sent[1].counts : nullptr,
                                            From(scene_.buffers.probes[p].folds[t], first_, size)});
      }
    }
  }

  const CudaScene& scene_;
  const CudaRun& run_;
  const CudaPlanes& planes_;
  const std::int64_t first_, count_;
  cuda::Program& program_;
};

// The most digits that any product here reads: those of inputs that are held have met their weights before.
int MostPlanes(const CudaRun& run, const CudaPlanes& planes) {
  int most = 1;
  for (std::size_t l = 0; l < run.closed_layers.size(); ++l) {
    for (std::size_t t = 0; t < run.closed_layers[l].sources.size(); ++t) {
      const bool held = run.closed_layers[l].sources[t] == ChargeSource::kHeld;
      most = std::max(most, held ? 1 : planes[run.OperandOf(l, t)]);
    }
  }
  return most;
}

// Why a term of a layer in closed form has no form here; empty: it has.
std::string WhyNotTerm(const CudaRun& run, const cuda::DeviceLimits& limits, std::size_t l, std::size_t t) {
  constexpr double kWideBound = 4611686018427387904.0;  // 2^62
  const Term& term = run.plan->layers[l].terms[t];
  const kernels::Product& product = term.product;
  const std::optional<std::int64_t> delay = PureDelay(term.synapse, term.delay_steps);
  const bool closed = run.closed_layers[l].sources[t] == ChargeSource::kClosed;
  const bool steps = run.closed_layers[l].sources[t] == ChargeSource::kSteps;
  if (steps && delay != 0) {
    return "what varies in time comes to its neurons with memory through a synapse or a delay";
  }
  if (run.IsWhole(l, t) && run.weights->term(l, t).bytes != nullptr && !limits.byte_products) {
    return "the GPU has no exact products of bytes";
  }
  // A sum that is checked where it is made on the CPU.
  const double largest = static_cast<double>(kLargestByte) * static_cast<double>(product.gather.most);
  if (run.IsWhole(l, t) && !closed && (largest > INT32_MAX || largest * product.max_row_sum > kWideBound)) {
    return "sums of its input would leave the range of its integers";
  }
  return "";
}

}  // namespace

std::string WhyNotLayer(const Layer& layer) {
  if (ReadsCounts(layer)) {
    return "it takes what its sources have sent as it is";
  }
  return IsFunction(layer) ? "its neurons send a function of the mean" : "";
}

std::string WhyForCpu(const CudaRun& run, const cuda::DeviceLimits& limits) {
  for (std::size_t l = 0; l < run.plan->layers.size(); ++l) {
    const Layer& layer = run.plan->layers[l];
    if (!HasMemory(layer)) {
      continue;
    }
    const std::string name =
        "layer '" + run.plan->network->definition().operations[Index(layer.operation)].name + "': ";
    if (const std::string why = WhyNotLayer(layer); !why.empty()) {
      return name + why;
    }
    if (!run.IsClosed(l)) {
      return name + "every step of its neurons with memory is wanted";
    }
    if (layer.terms.size() > cuda::kMemoryTerms) {
      return name + "its neurons with memory have " + std::to_string(layer.terms.size()) +
             " sources, of at most " + std::to_string(cuda::kMemoryTerms);
    }
    for (std::size_t t = 0; t < layer.terms.size(); ++t) {
      if (const std::string why = WhyNotTerm(run, limits, l, t); !why.empty()) {
        return name + why;
      }
    }
  }
  return "";
}

cuda::Program ClosedProgram(const CudaScene& scene, const CudaPlanes& planes) {
  cuda::Program program;
  const CudaBuffers& buffers = scene.buffers;
  const std::int64_t samples = scene.launch.samples;
  program.emplace_back(
      cuda::Copy{buffers.read_spikes, buffers.sample_spikes, Index(samples) * sizeof(std::int64_t)});
  program.emplace_back(cuda::FillZero{buffers.needed, planes.size() * sizeof(std::int32_t)});
  program.emplace_back(cuda::FillZero{buffers.untold, Index(samples) * sizeof(std::int32_t)});
  const std::int64_t rows = scene.launch.rows();
  const std::int64_t block =
      std::clamp<std::int64_t>(DigitRows(rows) / MostPlanes(scene.run, planes), 1, rows);
  for (std::int64_t first = 0; first < samples; first += block) {
    ClosedBlock(scene, planes, first, std::min(block, samples - first), program).Append();
  }
  return program;
}

std::int64_t MostClosedCalls(const CudaRun& run, const CudaLaunchShape& launch) {
  constexpr std::int64_t kTermCalls = 3;  // cells, columns, product
  std::int64_t of_block = 0;
  for (std::size_t l = 0; l < run.closed_layers.size(); ++l) {
    const auto ages = static_cast<std::int64_t>(run.closed_layers[l].ages.size());
    of_block += ages * (1 + kTermCalls * static_cast<std::int64_t>(run.plan->layers[l].terms.size()));
  }
  for (std::size_t p = 0; p < run.spec->probes.size(); ++p) {
    of_block += static_cast<std::int64_t>(run.probed_layer(p).terms.size());
  }
  const std::int64_t block = std::max<std::int64_t>(1, launch.rows() / cuda::kMostPlanes);
  return 3 + (launch.samples + block - 1) / block * of_block;
}

}  // namespace spikeserve::engine
