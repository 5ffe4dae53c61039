#include "server/engine/exact_scratch.h"

#include <algorithm>

namespace spikeserve::engine {

ExactScratch::ExactScratch(const ExactRun& run) : currents(*run.plan) {
  std::int64_t widest = 1;
  for (std::size_t i = 0; i < run.plan->populations.size(); ++i) {
    const Population& population = run.plan->populations[i];
    Rows rows;
    rows.size = population.size;
    rows.rows = run.IsHeld(static_cast<std::int64_t>(i)) ? 1 : run.chunk;
    rows.counts.resize(population.spiking ? Index(rows.rows * rows.size) : 0);
    rows.largest.resize(population.spiking ? Index(rows.rows) : 0);
    rows.values.resize(population.spiking ? 0 : Index(rows.rows * rows.size));
    rows_.push_back(std::move(rows));
    widest = std::max(widest, population.size);
  }
  for (const Layer& layer : run.plan->layers) {
    widest = std::max(widest, layer.size);
  }
  bytes.resize(Index(widest));
  for (std::vector<float>* buffer : {&current, &total, &output}) {
    buffer->resize(Index(widest));
  }
}

std::span<std::int32_t> ExactScratch::Counts(std::int64_t population, std::int64_t step) {
  Rows& rows = rows_[Index(population)];
  return std::span(rows.counts).subspan(Index(step * rows.size), Index(rows.size));
}

std::span<float> ExactScratch::Values(std::int64_t population, std::int64_t step) {
  Rows& rows = rows_[Index(population)];
  return std::span(rows.values).subspan(Index(std::min(step, rows.rows - 1) * rows.size), Index(rows.size));
}

std::int32_t& ExactScratch::Largest(std::int64_t population, std::int64_t step) {
  return rows_[Index(population)].largest[Index(step)];
}

}  // namespace spikeserve::engine
