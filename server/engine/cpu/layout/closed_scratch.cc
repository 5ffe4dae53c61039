#include "server/engine/cpu/layout/closed_scratch.h"

#include <algorithm>

namespace spikeserve::engine {
namespace {

// What a group's counts may take, so that they stay in a second-level cache.
constexpr std::int64_t kGroupBytes = std::int64_t{1} << 20;

bool HasClosed(const RunShape& run) {
  for (std::size_t l = 0; l < run.closed_layers.size(); ++l) {
    if (run.IsClosed(l)) {
      return true;
    }
  }
  return false;
}

std::int64_t Widest(const RunShape& run) {
  std::int64_t widest = 1;
  for (std::size_t l = 0; l < run.closed_layers.size(); ++l) {
    widest = std::max(widest, run.IsClosed(l) ? run.plan->layers[l].size : 0);
  }
  return widest;
}

}  // namespace

std::int64_t PlaneBytes(const VectorTerm& term) {
  const std::int64_t cells = term.kind == kernels::ProductKind::kDense ? term.cells
                                                                       : term.plane_row * term.plane_rows;
  return kernels::PadLanes(cells + kernels::kDigitCells);
}

ClosedScratch::ClosedScratch(const RunShape& run, CpuArena& arena) {
  sent.resize(run.closed_layers.size());
  if (!HasClosed(run)) {
    return;
  }
  const std::int64_t widest = Widest(run);
  group = std::clamp<std::int64_t>(kGroupBytes / (16 * widest), 1, run.group);
  std::int64_t plane = 0, sums = 0, most_cells = 1;
  for (std::size_t l = 0; l < sent.size(); ++l) {
    const std::vector<std::int64_t>& ages = run.closed_layers[l].ages;
    for (std::size_t a = 0; a < ages.size(); ++a) {
      sent[l].counts.push_back(arena.Take<std::int32_t>(group * run.plan->layers[l].size));
      sent[l].largest.emplace_back(Index(group), 0);
      arena.Count(32 + 8 * group);
    }
    for (std::size_t t = 0; run.IsClosed(l) && t < run.plan->layers[l].terms.size(); ++t) {
      const Term& term = run.plan->layers[l].terms[t];
      most_cells = std::max({most_cells, term.product.in, run.population(term.population).size});
      if (run.vector_weights != nullptr && !(*run.vector_weights)[l].terms[t].empty()) {
        const VectorTerm& packed = (*run.vector_weights)[l].terms[t];
        plane = std::max(plane, PlaneBytes(packed));
        sums = std::max(sums, std::max(packed.pixels, group) * kernels::kLaneUnit);
      }
    }
  }
  z = arena.Take<std::int64_t>(group * widest);
  cells = arena.Take<std::int32_t>(most_cells);
  planes = arena.Take<std::uint8_t>(group * plane);
  low = arena.Take<std::int32_t>(sums);
  high = arena.Take<std::int32_t>(sums);
}

}  // namespace spikeserve::engine
