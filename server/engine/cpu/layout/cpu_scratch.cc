#include "server/engine/cpu/layout/cpu_scratch.h"

#include <algorithm>

#include "kernels/cpu/spikes/event_layer.h"

namespace spikeserve::engine {

CurrentScratch::CurrentScratch(const Plan& plan, CpuArena& arena) {
  std::int64_t widest = 1;
  for (const Layer& layer : plan.layers) {
    widest = std::max(widest, layer.size);
    for (const Term& term : layer.terms) {
      widest = std::max(widest, term.product.in);
    }
  }
  cells = arena.Take<std::int32_t>(widest);
  narrow = arena.Take<std::int32_t>(widest);
  wide = arena.Take<std::int64_t>(widest);
  float_cells = arena.Take<float>(widest);
  sums = arena.Take<float>(widest);
}

CpuScratch::CpuScratch(const RunShape& run) {
  CpuArena counting;
  LayOut(run, counting);
  memory_ = CpuMemory(counting.used());
  CpuArena arena(memory_.data());
  LayOut(run, arena);
}

std::int64_t CpuScratch::Bytes(const RunShape& run) {
  CpuArena arena;
  CpuScratch scratch;
  scratch.LayOut(run, arena);
  return static_cast<std::int64_t>(sizeof(CpuScratch) + scratch.rows_.size() * sizeof(Rows)) + arena.total();
}

// Where everything lies. With a counting arena: how much that is.
void CpuScratch::LayOut(const RunShape& run, CpuArena& arena) {
  std::int64_t widest = 1;
  bool remembers = false;
  rows_.assign(run.plan->populations.size(), {});
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const Population& population = run.plan->populations[i];
    Rows& rows = rows_[i];
    rows.size = population.size;
    rows.rows = run.IsHeld(static_cast<std::int64_t>(i)) ? 1 : run.chunk;
    rows.rows = run.IsClosedPopulation(static_cast<std::int64_t>(i)) ? 0 : rows.rows;
    const std::int64_t elements = rows.rows * rows.size;
    if (population.spiking) {
      rows.counts = arena.Take<std::int32_t>(elements);
      rows.largest = arena.Take<std::int32_t>(rows.rows);
      const bool narrow = run.vector_weights != nullptr;
      rows.bytes = arena.Take<std::uint8_t>(narrow ? elements + kernels::kCountPadding : 0);
    } else {
      rows.values = arena.Take<float>(elements);
    }
    widest = std::max(widest, population.size);
  }
  for (const Layer& layer : run.plan->layers) {
    widest = std::max(widest, layer.size);
    remembers = remembers || HasMemory(layer);
  }
  bytes = arena.Take<std::int32_t>(widest);
  widened_ = arena.Take<std::int32_t>(widest);
  for (std::span<float>* buffer : {&current, &total, &output}) {
    *buffer = arena.Take<float>(widest);
  }
  charges = arena.Take<std::int64_t>(remembers ? widest : 0);
  other = arena.Take<std::int64_t>(remembers ? widest : 0);
  currents = CurrentScratch(*run.plan, arena);
  vectors = VectorScratch(run, arena);
  closed = ClosedScratch(run, arena);
}

std::span<const std::int32_t> CpuScratch::Counts(std::int64_t population, std::int64_t step) {
  Rows& rows = rows_[Index(population)];
  if (rows.largest_byte < 0) {
    return rows.counts.subspan(Index(step * rows.size), Index(rows.size));
  }
  const auto first = rows.bytes.begin() + step * rows.size;
  std::copy(first, first + rows.size, widened_.begin());
  return widened_.first(Index(rows.size));
}

std::span<std::int32_t> CpuScratch::WriteCounts(std::int64_t population, std::int64_t step) {
  Rows& rows = rows_[Index(population)];
  rows.largest_byte = -1;
  rows.folded = false;
  return rows.counts.subspan(Index(step * rows.size), Index(rows.size));
}

std::int32_t& CpuScratch::Largest(std::int64_t population, std::int64_t step) {
  Rows& rows = rows_[Index(population)];
  return rows.largest_byte < 0 ? rows.largest[Index(step)] : rows.largest_byte;
}

std::int32_t CpuScratch::LargestOfChunk(std::int64_t population, std::int64_t steps) const {
  const Rows& rows = rows_[Index(population)];
  return rows.largest_byte < 0 ? *std::max_element(rows.largest.begin(), rows.largest.begin() + steps)
                               : rows.largest_byte;
}

const std::uint8_t* CpuScratch::ByteCounts(std::int64_t population, std::int64_t steps) {
  Rows& rows = rows_[Index(population)];
  if (rows.largest_byte < 0) {
    const auto end = rows.counts.begin() + steps * rows.size;
    const auto fits = [](std::int32_t count) { return count >= 0 && count <= UINT8_MAX; };
    if (LargestOfChunk(population, steps) > UINT8_MAX || !std::all_of(rows.counts.begin(), end, fits)) {
      return nullptr;
    }
    std::transform(rows.counts.begin(), end, rows.bytes.begin(),
                   [](std::int32_t count) { return static_cast<std::uint8_t>(count); });
  }
  return rows.bytes.data();
}

std::uint8_t* CpuScratch::WriteByteCounts(std::int64_t population) {
  return rows_[Index(population)].bytes.data();
}

void CpuScratch::SetByteCounts(std::int64_t population, std::int32_t largest, bool folded) {
  rows_[Index(population)].largest_byte = largest;
  rows_[Index(population)].folded = folded;
}

std::span<float> CpuScratch::Values(std::int64_t population, std::int64_t step) {
  Rows& rows = rows_[Index(population)];
  return rows.values.subspan(Index(std::min(step, rows.rows - 1) * rows.size), Index(rows.size));
}

}  // namespace spikeserve::engine
