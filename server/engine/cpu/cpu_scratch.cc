#include "server/engine/cpu/cpu_scratch.h"

#include <algorithm>

#include "kernels/cpu/spikes/event_layer.h"

namespace spikeserve::engine {

CpuScratch::CpuScratch(const CpuRun& run) : currents(*run.plan) {
  std::int64_t widest = 1;
  for (std::size_t i = 0; i < run.plan->populations.size(); ++i) {
    const Population& population = run.plan->populations[i];
    Rows rows;
    rows.size = population.size;
    rows.rows = run.IsHeld(static_cast<std::int64_t>(i)) ? 1 : run.chunk;
    rows.values.resize(population.spiking ? 0 : Index(rows.rows * rows.size));
    rows_.push_back(std::move(rows));
    widest = std::max(widest, population.size);
  }
  for (const Layer& layer : run.plan->layers) {
    widest = std::max(widest, layer.size);
  }
  bytes.resize(Index(widest));
  widened_.resize(Index(widest));
  for (std::vector<float>* buffer : {&current, &total, &output}) {
    buffer->resize(Index(widest));
  }
}

std::span<const std::int32_t> CpuScratch::Counts(std::int64_t population, std::int64_t step) {
  Rows& rows = rows_[Index(population)];
  if (rows.largest_byte < 0) {
    return std::span(rows.counts).subspan(Index(step * rows.size), Index(rows.size));
  }
  const auto first = rows.bytes.begin() + step * rows.size;
  std::copy(first, first + rows.size, widened_.begin());
  return std::span(widened_).first(Index(rows.size));
}

std::span<std::int32_t> CpuScratch::WriteCounts(std::int64_t population, std::int64_t step) {
  Rows& rows = rows_[Index(population)];
  rows.counts.resize(Index(rows.rows * rows.size));
  rows.largest.resize(Index(rows.rows));
  rows.largest_byte = -1;
  rows.folded = false;
  return std::span(rows.counts).subspan(Index(step * rows.size), Index(rows.size));
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
    MakeBytes(rows);
    std::transform(rows.counts.begin(), end, rows.bytes.begin(),
                   [](std::int32_t count) { return static_cast<std::uint8_t>(count); });
  }
  return rows.bytes.data();
}

std::uint8_t* CpuScratch::WriteByteCounts(std::int64_t population) {
  MakeBytes(rows_[Index(population)]);
  return rows_[Index(population)].bytes.data();
}

void CpuScratch::SetByteCounts(std::int64_t population, std::int32_t largest, bool folded) {
  rows_[Index(population)].largest_byte = largest;
  rows_[Index(population)].folded = folded;
}

void CpuScratch::MakeBytes(Rows& rows) {
  rows.bytes.resize(Index(rows.rows * rows.size + kernels::kCountPadding));
}

std::span<float> CpuScratch::Values(std::int64_t population, std::int64_t step) {
  Rows& rows = rows_[Index(population)];
  return std::span(rows.values).subspan(Index(std::min(step, rows.rows - 1) * rows.size), Index(rows.size));
}

}  // namespace spikeserve::engine
