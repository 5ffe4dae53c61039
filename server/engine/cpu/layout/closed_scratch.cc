#include "server/engine/cpu/layout/closed_scratch.h"

#include <algorithm>
#include <cstdlib>

#include "kernels/cpu/group_product.h"
#include "kernels/cpu/spikes/digit_sums.h"
#include "kernels/cpu/spikes/event_list.h"

namespace spikeserve::engine {
namespace {

// How many elements each buffer has: what the layer wants that wants most.
struct Widths {
  std::int64_t layer = 0, cells = 1, plane = 0, sums = 0;
  std::int64_t read = 0, read_sums = 0;
};

Widths WidthsOf(const RunShape& run) {
  Widths widths;
  const auto widen = [](std::int64_t& width, std::int64_t wanted) { width = std::max(width, wanted); };
  for (std::size_t l = 0; l < run.passes.size(); ++l) {
    const Layer& layer = run.plan->layers[l];
    if (!run.passes[l].closed()) {
      continue;
    }
    widen(widths.layer, layer.size);
    for (std::size_t t = 0; t < layer.terms.size(); ++t) {
      widen(widths.cells,
            ReadsCounts(layer) ? run.population(layer.terms[t].population).size : layer.terms[t].product.in);
      if (run.vector_weights != nullptr && !(*run.vector_weights)[l].terms[t].empty()) {
        const VectorTerm& packed = (*run.vector_weights)[l].terms[t];
        widen(widths.plane, PlaneBytes(packed));
        widen(widths.sums, packed.conv.out_width * kernels::kLaneUnit);
      }
    }
  }
  for (std::size_t p = 0; p < run.folded.size(); ++p) {
    const Layer& layer = run.plan->layers[Index(run.probe(p).layer)];
    for (std::size_t t = 0; t < layer.terms.size() && run.IsReadTogether(p); ++t) {
      widen(widths.read, run.population(layer.terms[t].population).size);
      widen(widths.read_sums, layer.size);
    }
  }
  return widths;
}

}  // namespace

void ClosedScratch::Sent::Set(std::size_t sample, std::span<const std::int64_t> all) {
  const std::span<std::int32_t> own = counts.subspan(sample * Index(size), Index(size));
  narrow[sample] = false;
  largest[sample] = 0;
  for (std::size_t j = 0; j < own.size(); ++j) {
    own[j] = static_cast<std::int32_t>(all[j]);
    largest[sample] = std::max(largest[sample], std::abs(all[j]));
  }
}

std::span<const std::int32_t> ClosedScratch::Sent::Counts(std::size_t sample) {
  const std::span<std::int32_t> own = counts.subspan(sample * Index(size), Index(size));
  if (narrow[sample]) {
    const std::span<const std::uint8_t> from = Bytes(sample);
    std::copy(from.begin(), from.end(), own.begin());
  }
  return own;
}

int DigitBits() { return kernels::MostDigitCount() >= UINT8_MAX ? 8 : 7; }

std::int64_t PlaneBytes(const VectorTerm& term) {
  const std::int64_t cells =
      term.kind == kernels::ProductKind::kDense ? term.cells : term.plane_row * term.plane_rows;
  return kernels::PadLanes(cells + kernels::kDigitCells);
}

ClosedScratch::Part& ClosedScratch::PartOf(std::int64_t part) {
  while (static_cast<std::int64_t>(parts.size()) <= part) {
    Part& made = parts.emplace_back();
    made.low.resize(low.size());
    made.high.resize(high.size());
    made.seen.resize(Index(group));
    made.all.resize(Index(group));
  }
  return parts[Index(part)];
}

ClosedScratch::ClosedScratch(const RunShape& run, CpuArena& arena) {
  sent.resize(run.passes.size());
  wide.resize(run.passes.size());
  const Widths widths = WidthsOf(run);
  if (widths.layer == 0) {
    return;
  }
  group = run.PassGroup();
  for (std::size_t l = 0; l < sent.size(); ++l) {
    const std::int64_t size = run.plan->layers[l].size;
    sent[l].resize(run.passes[l].ages.size());
    for (Sent& at : sent[l]) {
      at.size = size;
      at.byte_stride = kernels::PadLanes(size + kernels::kCountPadding);
      at.counts = arena.Take<std::int32_t>(group * size);
      at.bytes = arena.Take<std::uint8_t>(group * at.byte_stride);
      at.largest.resize(Index(group));
      at.narrow.resize(Index(group));
      arena.Count(static_cast<std::int64_t>(sizeof(Sent)) + 128 + 9 * group);
    }
  }
  z = arena.Take<std::int64_t>(group * widths.layer);
  const std::int64_t padded = kernels::PadLanes(widths.layer) + kernels::kLaneUnit;
  base = arena.Take<std::int64_t>(padded);
  base_low = arena.Take<std::int32_t>(padded);
  base_high = arena.Take<std::int32_t>(padded);
  cells = arena.Take<std::int32_t>(widths.cells);
  byte_cells = arena.Take<std::uint8_t>(widths.cells + kernels::kCountPadding);
  planes = arena.Take<std::uint8_t>(kPlanesAtOnce * group * widths.plane);
  plane.resize(Index(kPlanesAtOnce * group));
  arena.Count(8 * kPlanesAtOnce * group);
  constexpr std::int64_t kGrowth = 3;  // of a vector that grows to what it needs
  arena.Count(kGrowth * (widths.cells + kernels::kLaneUnit) * (group / kernels::kListedSteps + 1));
  const std::int64_t sums = kernels::kMostDigitSlices * std::max(widths.sums, group * kernels::kLaneUnit);
  read = arena.Take<float>(kernels::kProductGroup * widths.read);
  read_sums = arena.Take<float>(kernels::kProductGroup * widths.read_sums);
  arena.Count(kMostParts * (2 * 4 * kPlanesAtOnce * sums + 2 * 8 * group + 256));
  low = arena.Take<std::int32_t>(kPlanesAtOnce * sums);
  high = arena.Take<std::int32_t>(kPlanesAtOnce * sums);
}

}  // namespace spikeserve::engine
