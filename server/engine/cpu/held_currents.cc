#include "server/engine/cpu/held_currents.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/cpu/group_product.h"
#include "kernels/cpu/population.h"
#include "kernels/cpu/spikes/byte_counts.h"
#include "server/engine/cpu/held_digits.h"
#include "server/engine/run/input_values.h"

namespace spikeserve::engine {
namespace {

constexpr double kWorkToShare = 1e6;  // multiply-adds: some 20 us

// The buffers for one type of arithmetic: float for values, double for the integers of uint8 inputs.
template <typename T>
struct Buffers {
  std::span<T> source, cells, sums;
  const kernels::PackedWeights<T>& weights;
};

// One term for at most kProductGroup samples.
template <typename T>
class HeldProduct {
 public:
  HeldProduct(const CpuRun& run, std::size_t layer, std::size_t term, Buffers<T> buffers, CpuScratch& scratch)
      : run_(run),
        layer_(run.plan->layers[layer]),
        term_(layer_.terms[term]),
        constants_(run.constants[layer].terms[term]),
        term_weights_((*run.vector_weights)[layer].terms[term]),
        buffers_(buffers),
        scratch_(scratch) {}

  void Run(std::span<const HeldSample> samples) {
    for (std::size_t s = 0; s < samples.size(); ++s) {
      LoadCells(s, samples[s].input);
    }
    if (term_.product.kind == kernels::ProductKind::kDense) {
      FindCells(samples.size());
    }
    RunPixels(samples.size());
    for (std::size_t s = 0; s < samples.size(); ++s) {
      Finish(s, *samples[s].state);
    }
  }

 private:
  T* Sums(std::size_t sample) { return buffers_.sums.data() + sample * Index(layer_.size); }

  // The source's values: integers of a uint8 input, or float32.
  void ReadSource(const std::byte* data, std::span<T> values) const {
    if constexpr (std::is_same_v<T, double>) {
      std::transform(data, data + values.size(), values.begin(), std::to_integer<std::uint8_t>);
    } else {
      const Population& population = run_.population(term_.population);
      const auto& kind = run_.plan->network->definition().operations[Index(population.operation)].kind;
      ReadInput(std::get<InputOperation>(kind), run_.spec->inputs[Index(term_.population)].type, data, 0,
                values);
    }
  }

  // Sets cells_: float32 is read where it lies.
  void LoadCells(std::size_t sample, const std::byte* data) {
    const kernels::GatherSum& gather = term_.product.gather;
    const std::size_t in = Index(term_.product.in);
    const std::span<T> cells = buffers_.cells.subspan(sample * in, in);
    cells_[sample] = cells.data();
    if (gather.start.empty()) {
      if (std::is_same_v<T, float> && IsFloats(data)) {
        cells_[sample] = reinterpret_cast<const T*>(data);
        return;
      }
      ReadSource(data, cells);
      return;
    }
    ReadSource(data, buffers_.source.first(Index(run_.population(term_.population).size)));
    for (std::size_t c = 0; c < cells.size(); ++c) {
      T sum{0};
      for (auto e = gather.start[c]; e < gather.start[c + 1]; ++e) {
        sum += buffers_.source[Index(gather.index[Index(e)])];
      }
      cells[c] = sum;
    }
  }

  bool IsFloats(const std::byte* data) const {
    return run_.spec->inputs[Index(term_.population)].type == DataType::kFloat32 &&
           reinterpret_cast<std::uintptr_t>(data) % alignof(float) == 0;
  }

  // The runs of cells of a dense product in which some sample has a value. A cell of 0 would add +0 or -0 to
  // a sum that is never -0: leaving it out changes no bit.
  void FindCells(std::size_t samples) {
    kernels::FindUsedCells(std::span<const T* const>(cells_, samples), term_.product.in,
                           scratch_.vectors.cell_runs);
  }

  // All output pixels, and within them blocks of channels. A lone sample's are shared by the threads that are
  // free.
  void RunPixels(std::size_t samples) {
    const std::int64_t blocks = term_weights_.pixels * buffers_.weights.blocks();
    const double work =
        static_cast<double>(layer_.size * term_weights_.fan_in()) * static_cast<double>(samples);
    const bool share = scratch_.pool != nullptr && work > kWorkToShare;
    const std::int64_t parts = share ? std::min(blocks, scratch_.pool->threads()) : std::int64_t{1};
    std::vector<std::vector<kernels::CellRange>>& windows = scratch_.vectors.windows;
    windows.resize(std::max(windows.size(), Index(parts)));
    const auto run = [&](std::int64_t part, std::int64_t) {
      for (std::int64_t index = blocks * part / parts; index < blocks * (part + 1) / parts; ++index) {
        RunBlock(index / buffers_.weights.blocks(), index % buffers_.weights.blocks(), samples,
                 windows[Index(part)]);
      }
    };
    if (parts == 1) {
      run(0, 0);
    } else {
      scratch_.pool->For(parts, run);
    }
  }

  void RunBlock(std::int64_t pixel, std::int64_t block, std::size_t samples,
                std::vector<kernels::CellRange>& window) {
    const bool dense = term_.product.kind == kernels::ProductKind::kDense;
    if (!dense) {
      term_weights_.Window(pixel, window);
    }
    T* sums[kernels::kProductGroup];
    for (std::size_t s = 0; s < samples; ++s) {
      sums[s] = Sums(s) + pixel * term_weights_.channels + buffers_.weights.first_channel(block);
    }
    kernels::GroupProduct(kernels::GroupBlock<T>{buffers_.weights.block(block), buffers_.weights.width(block),
                                                 dense ? scratch_.vectors.cell_runs : window,
                                                 std::span<const T* const>(cells_, samples),
                                                 std::span<T* const>(sums, samples)});
  }

  void Finish(std::size_t sample, TermState& state) {
    const std::span<float> current = state.constant;
    state.known = true;
    for (std::size_t j = 0; j < current.size(); ++j) {
      current[j] = static_cast<float>(Sums(sample)[j]) * constants_.scale[j];
    }
    if (!constants_.offset.empty()) {
      kernels::Add(constants_.offset, current);
    }
  }

  const CpuRun& run_;
  const Layer& layer_;
  const Term& term_;
  const TermConstants& constants_;
  const VectorTerm& term_weights_;
  Buffers<T> buffers_;
  CpuScratch& scratch_;
  const T* cells_[kernels::kProductGroup] = {};  // [sample]
};

template <typename T>
void RunAll(HeldProduct<T> product, std::span<const HeldSample> samples) {
  for (std::size_t first = 0; first < samples.size(); first += Index(kernels::kProductGroup)) {
    product.Run(samples.subspan(first, std::min(Index(kernels::kProductGroup), samples.size() - first)));
  }
}

// Samples from which on digits of the weights are faster than products of float64.
constexpr std::size_t kDigitSamples = 4;

// Neighbours share what no cell of theirs uses: puts samples side by side of which about as much is used.
void SortByUse(const CpuRun& run, std::int64_t input, std::span<HeldSample> samples) {
  const std::int64_t bytes = run.population(input).size * SizeOf(run.spec->inputs[Index(input)].type);
  for (HeldSample& sample : samples) {
    const auto* data = reinterpret_cast<const std::uint8_t*>(sample.input);
    sample.used = kernels::CountNonZero({data, Index(bytes)});
  }
  std::sort(samples.begin(), samples.end(),
            [](const HeldSample& a, const HeldSample& b) { return a.used < b.used; });
}

}  // namespace

void ComputeHeldCurrents(const CpuRun& run, std::size_t layer, std::size_t term,
                         std::span<HeldSample> samples, CpuScratch& scratch) {
  const VectorTerm& packed = (*run.vector_weights)[layer].terms[term];
  const std::int64_t input = run.plan->layers[layer].terms[term].population;
  const bool bytes = run.IsBytes(input);
  const kernels::Product& product = run.plan->layers[layer].terms[term].product;
  if (product.kind == kernels::ProductKind::kDense && samples.size() > Index(kernels::kProductGroup)) {
    SortByUse(run, input, samples);
  }
  const bool digits =
      run.path == CpuPath::kDigits || (run.path == CpuPath::kAuto && samples.size() >= kDigitSamples);
  if (bytes && digits && !packed.digits.empty()) {
    ComputeHeldDigits(run, layer, term, samples, scratch);
  } else if (bytes) {
    RunAll<double>({run,
                    layer,
                    term,
                    {scratch.vectors.source_integers, scratch.vectors.held_integers,
                     scratch.vectors.integer_sums, packed.integers},
                    scratch},
                   samples);
  } else {
    RunAll<float>({run,
                   layer,
                   term,
                   {scratch.vectors.source, scratch.vectors.held, scratch.vectors.sums, packed.floats},
                   scratch},
                  samples);
  }
}

}  // namespace spikeserve::engine
