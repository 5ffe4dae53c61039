#include "server/engine/fast_layer.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "kernels/cpu/event_layer.h"
#include "server/engine/fast_plan.h"

namespace spikeserve::engine {
namespace {

constexpr double kNarrowBound = 2147483647.0;  // of an int32

// One run of one layer over one chunk.
class FastLayerRun {
 public:
  FastLayerRun(const ExactRun& run, std::size_t layer, std::int64_t steps, LayerState& state, ExactScratch& scratch)
      : run_(run), plan_(run.plan->layers[layer]), constants_(run.constants[layer]), fast_((*run.fast)[layer]),
        steps_(steps), state_(state), scratch_(scratch) {}

  bool Run(kernels::Fold* fold, std::int64_t& spikes) {
    if (!SetTerms()) {
      return false;
    }
    if (fold != nullptr) {
      SetFold(fold->State());
    }
    Save();
    if (!RunPixels()) {
      Restore();
      return false;
    }
    const std::vector<std::int64_t>& emitted = scratch_.fast.spikes;
    spikes += std::accumulate(emitted.begin(), emitted.end(), std::int64_t{0});
    std::transform(state_.spikes.begin(), state_.spikes.end(), emitted.begin(), state_.spikes.begin(), std::plus<>());
    if (fold != nullptr) {
      fold->AddTotals(emitted);
    }
    scratch_.SetByteCounts(plan_.population, largest_, fold != nullptr);
    return true;
  }

 private:
  // Where the terms' spikes lie. False where they are not bytes or their sums might not fit.
  bool SetTerms() {
    for (std::size_t t = 0; t < plan_.terms.size(); ++t) {
      const Term& term = plan_.terms[t];
      kernels::EventTerm& event = terms_[t];
      event.filtered = constants_.terms[t].filtered;
      event.decay = constants_.terms[t].decay;
      if (!state_.constant[t].empty()) {
        continue;
      }
      if (fast_.terms[t].empty() || !run_.population(term.population).spiking || !SetCells(t)) {
        return false;
      }
    }
    return true;
  }

  bool SetCells(std::size_t t) {
    const Term& term = plan_.terms[t];
    const FastTerm& fast = fast_.terms[t];
    const std::int64_t source = term.population;
    const std::int64_t largest = scratch_.LargestOfChunk(source, steps_) * term.product.gather.most;
    const std::uint8_t* counts = scratch_.ByteCounts(source, steps_);
    if (counts == nullptr || static_cast<double>(largest) * term.product.max_row_sum >= kNarrowBound) {
      return false;
    }
    terms_[t].counts = counts;
    terms_[t].stride = run_.population(source).size;
    if (fast.runs.runs() == 0) {
      return true;
    }
    if (largest > UINT8_MAX) {
      return false;
    }
    GatherCells(t, counts);
    return true;
  }

  // Sums the source's counts under each pooling window, for all steps.
  void GatherCells(std::size_t t, const std::uint8_t* counts) {
    const std::int64_t cells = fast_.terms[t].cells;
    std::vector<std::uint8_t>& buffer = scratch_.fast.cells[t];
    buffer.resize(std::max(buffer.size(), Index(steps_ * cells + kernels::kCountPadding)));
    for (std::int64_t step = 0; step < steps_; ++step) {
      fast_.terms[t].runs.Gather(counts + step * terms_[t].stride, buffer.data() + step * cells);
    }
    terms_[t].counts = buffer.data();
    terms_[t].stride = cells;
  }

  void Save() {
    scratch_.fast.voltage = state_.voltage;
    scratch_.fast.filters = state_.filters;
    scratch_.fast.spikes.assign(Index(plan_.size), 0);
    if (fold_.synapse) {
      scratch_.fast.filtered.assign(fold_.filtered, fold_.filtered + plan_.size);
    }
    if (fold_.probe_synapse) {
      scratch_.fast.probed.assign(fold_.probed, fold_.probed + plan_.size);
    }
  }

  void Restore() {
    state_.voltage = scratch_.fast.voltage;
    state_.filters = scratch_.fast.filters;
    if (fold_.synapse) {
      std::copy(scratch_.fast.filtered.begin(), scratch_.fast.filtered.end(), fold_.filtered);
    }
    if (fold_.probe_synapse) {
      std::copy(scratch_.fast.probed.begin(), scratch_.fast.probed.end(), fold_.probed);
    }
  }

  void SetFold(const kernels::Fold::Filters& state) {
    const kernels::FoldFilters& f = state.filters;
    fold_ = {f.synapse,      f.probe_synapse, f.synapse_decay, f.synapse_gain, f.probe_decay,
             f.probe_gain,   state.filtered,  state.probed,    state.last};
  }

  bool RunPixels() {
    std::int64_t pixels = 1;
    std::int64_t channels = plan_.size;
    for (const FastTerm& term : fast_.terms) {
      if (!term.events.empty()) {
        pixels = term.pixels;
        channels = term.channels;
      }
    }
    const std::int64_t width = kernels::EventBlockWidth();
    auto& ranges = scratch_.fast.ranges;
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
      SetWindows(pixel, ranges);
      for (std::int64_t first = 0; first < channels; first += width) {
        if (!RunBlock(pixel * channels + first, first / width, std::min(width, channels - first))) {
          return false;
        }
      }
    }
    return true;
  }

  void SetWindows(std::int64_t pixel, std::array<std::vector<kernels::CellRange>, kernels::kMaxEventTerms>& ranges) {
    for (std::size_t t = 0; t < plan_.terms.size(); ++t) {
      if (state_.constant[t].empty()) {
        fast_.terms[t].Window(pixel, ranges[t]);
        terms_[t].ranges = ranges[t];
      }
    }
  }

  // Neurons [first, first + width) of the layer.
  bool RunBlock(std::int64_t first, std::int64_t block, std::int64_t width) {
    for (std::size_t t = 0; t < plan_.terms.size(); ++t) {
      kernels::EventTerm& term = terms_[t];
      term.filter = term.filtered ? state_.filters[t].data() + first : nullptr;
      if (!state_.constant[t].empty()) {
        term.constant = state_.constant[t].data() + first;
      } else {
        term.weights = fast_.terms[t].events.block(block);
        term.scale = constants_.terms[t].scale.data() + first;
      }
    }
    kernels::EventBlock job;
    job.steps = steps_;
    job.width = width;
    job.neuron = std::holds_alternative<IntegrateAndFire>(plan_.model) ? kernels::EventNeuron::kIntegrateAndFire
                                                                       : kernels::EventNeuron::kSpikingRectifiedLinear;
    job.terms = std::span(terms_).first(plan_.terms.size());
    job.bias = constants_.bias.data() + first;
    job.voltage = state_.voltage.data() + first;
    job.spikes = scratch_.fast.spikes.data() + first;
    job.stride = plan_.size;
    job.counts = run_.IsRead(plan_.population) ? scratch_.WriteByteCounts(plan_.population) + first : nullptr;
    kernels::EventFold fold = fold_;
    if (fold.last != nullptr) {
      fold.filtered += fold.synapse ? first : 0;
      fold.probed += fold.probe_synapse ? first : 0;
      fold.last += first;
      job.fold = &fold;
    }
    const kernels::EventResult result = kernels::RunEventBlock(job);
    largest_ = std::max(largest_, result.largest);
    return result.narrow;
  }

  const ExactRun& run_;
  const Layer& plan_;
  const LayerConstants& constants_;
  const FastLayer& fast_;
  const std::int64_t steps_;
  LayerState& state_;
  ExactScratch& scratch_;
  kernels::EventFold fold_;  // of the whole layer; last is null where there is none
  std::int32_t largest_ = 0;
  std::array<kernels::EventTerm, kernels::kMaxEventTerms> terms_;
};

}  // namespace

bool RunFastLayer(const ExactRun& run, std::size_t layer, std::int64_t steps, LayerState& state,
                  kernels::Fold* fold, ExactScratch& scratch, std::int64_t& spikes) {
  return FastLayerRun(run, layer, steps, state, scratch).Run(fold, spikes);
}

}  // namespace spikeserve::engine
