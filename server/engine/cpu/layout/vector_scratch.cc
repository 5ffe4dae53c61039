#include "server/engine/cpu/layout/vector_scratch.h"

#include <algorithm>

#include "kernels/cpu/group_product.h"
#include "kernels/cpu/spikes/digit_sums.h"

namespace spikeserve::engine {
namespace {

// How many elements each buffer has: what the layer wants that wants most.
struct Widths {
  struct Term {
    std::int64_t cells = 0, filter = 0, lists = 0, windows = 0;
  };
  struct Held {
    std::int64_t source = 0, cells = 0, sums = 0;
  };
  std::int64_t layer = 0;
  std::array<Term, kernels::kMaxEventTerms> terms;
  Held floats, integers;
  std::int64_t digit_cells = 0, digit_sums = 0;
  std::int64_t held_lists = 0;  // bytes of what is used of held inputs
};

void Widen(std::int64_t& width, std::int64_t wanted) { width = std::max(width, wanted); }

// Spikes of a chunk, of which some are gathered and all are listed.
void AddSpikes(const VectorTerm& packed, std::int64_t chunk, Widths::Term& widths) {
  Widen(widths.cells, packed.runs.runs() > 0 ? chunk * packed.cells + kernels::kCountPadding : 0);
  Widen(widths.lists, packed.cells + kernels::EventList::Bytes(chunk, packed.cells));
  Widen(widths.windows, WindowSums::Bytes(packed, chunk));
}

void AddHeld(const RunShape& run, const Layer& layer, const Term& term, const VectorTerm& packed,
             Widths& widths) {
  const bool bytes = run.IsBytes(term.population);
  Widths::Held& held = bytes ? widths.integers : widths.floats;
  Widen(held.source, term.product.gather.start.empty() ? 0 : run.population(term.population).size);
  Widen(held.cells, kernels::kProductGroup * term.product.in);
  Widen(held.sums, kernels::kProductGroup * layer.size);
  // Every other cell is used: as many runs as there can be. Growing vectors hold up to three times that.
  constexpr std::int64_t kGrowth = 3;
  constexpr std::int64_t kParts = 6;  // of the samples of a group, each with a list of its own
  const std::int64_t runs =
      kGrowth * static_cast<std::int64_t>(sizeof(kernels::CellRange)) * (term.product.in / 2 + 1);
  const std::int64_t groups =
      bytes && !packed.digits.empty() ? packed.digits.groups() + kernels::kLaneUnit : 0;
  Widen(widths.held_lists,
        runs + kGrowth * kParts * static_cast<std::int64_t>(sizeof(std::int32_t)) * groups);
  if (bytes && !packed.digits.empty()) {
    Widen(widths.digit_cells, run.group * packed.digits.groups() * kernels::kDigitCells);
    Widen(widths.digit_sums, run.group * kernels::PadLanes(layer.size));
  }
}

Widths WidthsOf(const RunShape& run) {
  Widths widths;
  for (std::size_t l = 0; l < run.plan->layers.size(); ++l) {
    const Layer& layer = run.plan->layers[l];
    Widen(widths.layer, run.IsVector(l) ? layer.size : 0);
    for (std::size_t t = 0; run.IsVector(l) && t < layer.terms.size(); ++t) {
      const Term& term = layer.terms[t];
      const VectorTerm& packed = (*run.vector_weights)[l].terms[t];
      Widen(widths.terms[t].filter, term.synapse ? layer.size : 0);
      if (run.population(term.population).spiking && !packed.empty()) {
        AddSpikes(packed, run.chunk, widths.terms[t]);
      } else if (run.IsPrepared(l, t)) {
        AddHeld(run, layer, term, packed, widths);
      }
    }
  }
  return widths;
}

}  // namespace

VectorScratch::VectorScratch(const RunShape& run, CpuArena& arena) {
  const Widths widths = WidthsOf(run);
  for (std::size_t t = 0; t < widths.terms.size(); ++t) {
    const Widths::Term& term = widths.terms[t];
    cells[t] = arena.Take<std::uint8_t>(term.cells);
    filters[t] = arena.Take<float>(term.filter);
    arena.Count(term.lists + term.windows);
  }
  arena.Count(widths.held_lists);
  voltage = arena.Take<float>(widths.layer);
  filtered = arena.Take<float>(widths.layer);
  probed = arena.Take<float>(widths.layer);
  spikes = arena.Take<std::int64_t>(widths.layer);
  source = arena.Take<float>(widths.floats.source);
  held = arena.Take<float>(widths.floats.cells);
  sums = arena.Take<float>(widths.floats.sums);
  source_integers = arena.Take<double>(widths.integers.source);
  held_integers = arena.Take<double>(widths.integers.cells);
  integer_sums = arena.Take<double>(widths.integers.sums);
  held_bytes = arena.Take<std::uint8_t>(widths.digit_cells);
  low_sums = arena.Take<std::int32_t>(widths.digit_sums);
  high_sums = arena.Take<std::int32_t>(widths.digit_sums);
}

}  // namespace spikeserve::engine
