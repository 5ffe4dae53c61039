#include "server/engine/cpu/vector_layer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <numeric>
#include <optional>

#include "kernels/cpu/spikes/byte_counts.h"
#include "kernels/cpu/spikes/event_layer.h"
#include "server/engine/cpu/layout/vector_weights.h"
#include "server/engine/cpu/spike_form.h"

namespace spikeserve::engine {
namespace {

using Terms = std::array<kernels::EventTerm, kernels::kMaxEventTerms>;
using Sums = VectorScratch::Sums;
using kernels::SpikeForm;

constexpr double kActive = 0.1;         // share of the sources that spike in a step, about
constexpr double kWorkPerPart = 2.5e5;  // neuron-steps and rows added: some 20 us

// One run of one layer over one chunk.
class VectorLayerRun {
 public:
  VectorLayerRun(const CpuRun& run, std::size_t layer, const VectorChunk& chunk, LayerState& state,
                 CpuScratch& scratch)
      : run_(run),
        layer_(run.plan->layers[layer]),
        constants_(run.constants[layer]),
        weights_((*run.vector_weights)[layer]),
        steps_(chunk.steps),
        ends_(chunk.ends),
        state_(state),
        scratch_(scratch) {}

  bool Run(kernels::Fold* fold, std::int64_t& spikes) {
    if (!SetTerms()) {
      return false;
    }
    if (fold != nullptr) {
      SetFold(fold->State());
    }
    Save();
    counts_ = run_.IsRead(layer_.population) ? scratch_.WriteByteCounts(layer_.population) : nullptr;
    channels_ = layer_.size;
    if (!RunPixels()) {
      Restore();
      return false;
    }
    const std::span<const std::int64_t> emitted = scratch_.vectors.spikes.first(Index(layer_.size));
    spikes += std::accumulate(emitted.begin(), emitted.end(), std::int64_t{0});
    std::transform(state_.spikes.begin(), state_.spikes.end(), emitted.begin(), state_.spikes.begin(),
                   std::plus<>());
    if (fold != nullptr) {
      fold->AddTotals(emitted);
    }
    scratch_.SetByteCounts(layer_.population, largest_, fold != nullptr);
    return true;
  }

 private:
  // Where the terms' spikes lie. False where they are not bytes or their sums might not fit.
  bool SetTerms() {
    for (std::size_t t = 0; t < layer_.terms.size(); ++t) {
      const Term& term = layer_.terms[t];
      kernels::EventTerm& event = terms_[t];
      event.filtered = constants_.terms[t].filtered;
      event.decay = constants_.terms[t].decay;
      if (state_.terms[t].known) {
        continue;
      }
      if (weights_.terms[t].empty() || !run_.population(term.population).spiking || !SetCells(t)) {
        return false;
      }
    }
    return true;
  }

  bool SetCells(std::size_t t) {
    const Term& term = layer_.terms[t];
    const VectorTerm& packed = weights_.terms[t];
    WindowSums::Source source{steps_, scratch_.LargestOfChunk(term.population, steps_), nullptr,
                              scratch_.ByteCounts(term.population, steps_),
                              run_.population(term.population).size};
    if (source.cells == nullptr || source.largest * term.product.gather.most > UINT8_MAX) {
      return false;
    }
    if (packed.runs.runs() > 0) {
      GatherCells(t, source);
    }
    if (!WindowSums::Fits(packed, source.largest)) {
      return false;
    }
    const std::optional<SpikeForm> form = ChooseForm(packed, source, run_.path, scratch_.vectors.usual);
    if (form) {
      scratch_.vectors.events[t].Build(source.cells, source.stride, steps_, packed.cells, packed.unit,
                                       static_cast<std::int32_t>(source.largest), *form,
                                       scratch_.vectors.usual.data());
      source.events = &scratch_.vectors.events[t];
    }
    sources_[t] = source;
    return true;
  }

  // Sums the source's counts under each pooling window, for all steps.
  void GatherCells(std::size_t t, WindowSums::Source& source) {
    const VectorTerm& packed = weights_.terms[t];
    const std::span<std::uint8_t> cells = scratch_.vectors.cells[t];
    for (std::int64_t step = 0; step < steps_; ++step) {
      packed.runs.Gather(source.cells + step * source.stride, cells.data() + step * packed.cells);
    }
    source.cells = cells.data();
    source.stride = packed.cells;
    source.largest = kernels::LargestByte(cells.first(Index(steps_ * packed.cells)));
  }

  void Save() {
    VectorScratch& to = scratch_.vectors;
    std::copy_n(state_.neurons.voltage.begin(), layer_.size, to.voltage.begin());
    for (std::size_t t = 0; t < state_.terms.size(); ++t) {
      std::copy(state_.terms[t].filter.begin(), state_.terms[t].filter.end(), to.filters[t].begin());
    }
    std::fill_n(to.spikes.begin(), layer_.size, 0);
    if (fold_.synapse) {
      std::copy_n(fold_.filtered, layer_.size, to.filtered.begin());
    }
    if (fold_.probe_synapse) {
      std::copy_n(fold_.probed, layer_.size, to.probed.begin());
    }
  }

  void Restore() {
    const VectorScratch& from = scratch_.vectors;
    std::copy_n(from.voltage.begin(), layer_.size, state_.neurons.voltage.begin());
    for (std::size_t t = 0; t < state_.terms.size(); ++t) {
      const std::span<float> filter = state_.terms[t].filter;
      std::copy_n(from.filters[t].begin(), filter.size(), filter.begin());
    }
    if (fold_.synapse) {
      std::copy_n(from.filtered.begin(), layer_.size, fold_.filtered);
    }
    if (fold_.probe_synapse) {
      std::copy_n(from.probed.begin(), layer_.size, fold_.probed);
    }
  }

  void SetFold(const kernels::Fold::Filters& state) {
    const kernels::FoldFilters& f = state.filters;
    fold_ = {f.synapse,    f.probe_synapse, f.synapse_decay, f.synapse_gain, f.probe_decay,
             f.probe_gain, state.filtered,  state.probed,    state.last};
  }

  // All blocks of neurons: output pixels, and within them blocks of channels.
  bool RunPixels() {
    for (const VectorTerm& term : weights_.terms) {
      if (!term.events.empty()) {
        pixels_ = term.pixels;
        channels_ = term.channels;
        bundle_ = std::max(bundle_, WindowSums::Bundle(term));
      }
    }
    const std::int64_t blocks = pixels_ * BlocksPerPixel();
    const std::int64_t parts = scratch_.pool != nullptr ? PartsOf(blocks) : 1;
    bundle_ = std::max<std::int64_t>(bundle_ / parts, 1);  // the parts share what windows may take
    scratch_.vectors.parts.resize(std::max(scratch_.vectors.parts.size(), Index(parts)));
    if (parts == 1) {
      return RunBlocks(0, blocks, 0);
    }
    std::atomic<bool> done = true;
    scratch_.pool->For(parts, [&](std::int64_t part, std::int64_t) {
      if (!RunBlocks(blocks * part / parts, blocks * (part + 1) / parts, part)) {
        done = false;
      }
    });
    return done;
  }

  std::int64_t BlocksPerPixel() const { return (channels_ + width_ - 1) / width_; }

  // In how many parts threads should share the blocks: waking a thread must be worth it.
  std::int64_t PartsOf(std::int64_t blocks) const {
    double fan_in = 1;
    for (std::size_t t = 0; t < layer_.terms.size(); ++t) {
      fan_in += weights_.terms[t].events.empty() ? 0 : static_cast<double>(weights_.terms[t].fan_in());
    }
    const double work = static_cast<double>(steps_ * layer_.size) * (1 + kActive * fan_in);
    const auto worth = static_cast<std::int64_t>(std::min(work / kWorkPerPart, 1e6));
    return std::max<std::int64_t>(std::min({scratch_.pool->threads(), worth, blocks}), 1);
  }

  // Whole pixels bundle by bundle, what is left of a pixel alone.
  bool RunBlocks(std::int64_t begin, std::int64_t end, std::int64_t part) {
    std::vector<Sums>& windows = scratch_.vectors.parts[Index(part)];
    windows.resize(std::max(windows.size(), Index(bundle_)));
    Terms terms = terms_;
    std::int32_t largest = 0;
    const std::int64_t blocks = BlocksPerPixel();
    for (std::int64_t index = begin; index < end;) {
      const std::int64_t pixel = index / blocks;
      const std::int64_t first = index % blocks;
      const std::int64_t last = std::min(blocks, first + end - index);
      const std::int64_t whole = first == 0 ? (end - index) / blocks : 0;
      const std::span<Sums> bundle(windows.data(), Index(std::clamp<std::int64_t>(whole, 1, bundle_)));
      SetWindows(pixel, bundle);
      for (std::int64_t block = first; block < last; ++block) {
        SumWindows(block, bundle);
        for (std::size_t w = 0; w < bundle.size(); ++w) {
          const std::int64_t of_window = pixel + static_cast<std::int64_t>(w);
          const kernels::EventResult result = RunBlock(of_window, block, bundle[w], terms);
          if (!result.narrow) {
            return false;
          }
          largest = std::max(largest, result.largest);
        }
      }
      index += (last - first) * static_cast<std::int64_t>(bundle.size());
    }
    std::int32_t seen = largest_;
    while (seen < largest && !largest_.compare_exchange_weak(seen, largest)) {
    }
    return true;
  }

  void SetWindows(std::int64_t pixel, std::span<Sums> bundle) {
    for (std::size_t t = 0; t < layer_.terms.size(); ++t) {
      for (std::size_t w = 0; !state_.terms[t].known && w < bundle.size(); ++w) {
        bundle[w][t].SetWindow(weights_.terms[t], pixel + static_cast<std::int64_t>(w), sources_[t]);
      }
    }
  }

  void SumWindows(std::int64_t block, std::span<Sums> bundle) {
    const std::int64_t width = std::min(width_, channels_ - block * width_);
    std::array<WindowSums*, Index(WindowSums::kMostPerBundle)> windows;
    for (std::size_t t = 0; t < layer_.terms.size(); ++t) {
      if (state_.terms[t].known) {
        continue;
      }
      for (std::size_t w = 0; w < bundle.size(); ++w) {
        windows[w] = &bundle[w][t];
      }
      WindowSums::SumTogether(std::span(windows).first(bundle.size()), block * width_ / kernels::kLaneUnit,
                              (width + kernels::kLaneUnit - 1) / kernels::kLaneUnit);
    }
  }

  kernels::EventResult RunBlock(std::int64_t pixel, std::int64_t block, const Sums& sums, Terms& terms) {
    const std::int64_t width = std::min(width_, channels_ - block * width_);
    const std::int64_t first = pixel * channels_ + block * width_;
    for (std::size_t t = 0; t < layer_.terms.size(); ++t) {
      kernels::EventTerm& term = terms[t];
      term.filter = term.filtered ? state_.terms[t].filter.data() + first : nullptr;
      if (state_.terms[t].known) {
        term.constant = state_.terms[t].constant.data() + first;
      } else {
        const WindowSums::Sums sum = sums[t].Last();
        term.sums = sum.low;
        term.high = sum.high;
        term.scale = constants_.terms[t].scale.data() + first;
      }
    }
    kernels::EventBlock job;
    job.steps = steps_;
    job.width = width;
    job.neuron = weights_.neuron;
    job.terms = std::span(terms).first(layer_.terms.size());
    job.bias = constants_.bias.data() + first;
    job.voltage = state_.neurons.voltage.data() + first;
    job.spikes = scratch_.vectors.spikes.data() + first;
    job.stride = layer_.size;
    job.ends = ends_;
    job.counts = counts_ != nullptr ? counts_ + first : nullptr;
    kernels::EventFold fold = fold_;
    if (fold.last != nullptr) {
      fold.filtered += fold.synapse ? first : 0;
      fold.probed += fold.probe_synapse ? first : 0;
      fold.last += first;
      job.fold = &fold;
    }
    return kernels::RunEventBlock(job);
  }

  const CpuRun& run_;
  const Layer& layer_;
  const LayerConstants& constants_;
  const VectorLayerWeights& weights_;
  const std::int64_t steps_;
  const bool ends_;
  LayerState& state_;
  CpuScratch& scratch_;
  kernels::EventFold fold_;         // of the whole layer; last is null where there is none
  std::uint8_t* counts_ = nullptr;  // what the layer emits, where something reads it
  std::int64_t pixels_ = 1;
  std::int64_t channels_ = 0;
  std::int64_t bundle_ = 1;  // pixels whose windows are summed together
  const std::int64_t width_ = kernels::EventBlockWidth();
  std::atomic<std::int32_t> largest_ = 0;
  Terms terms_;
  std::array<WindowSums::Source, kernels::kMaxEventTerms> sources_;  // [term]
};

}  // namespace

bool RunVectorLayer(const CpuRun& run, std::size_t layer, const VectorChunk& chunk, LayerState& state,
                    kernels::Fold* fold, CpuScratch& scratch, std::int64_t& spikes) {
  return VectorLayerRun(run, layer, chunk, state, scratch).Run(fold, spikes);
}

}  // namespace spikeserve::engine
