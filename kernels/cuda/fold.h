#pragma once

#include <cstdint>

#include "kernels/cuda/cells.h"
#include "kernels/math/annotations.h"
#include "kernels/math/fold.h"

// The readout rewrite on the device: filters and sums over time of what a population emits, one value per
// element, by the recurrence of kernels/math/fold.h.
namespace spikeserve::cuda {

using math::FoldFilters;

// State of a fold in device memory, [samples][size] each; filtered and probed only where their filter is.
struct FoldState {
  FoldFilters filters;
  std::int64_t skip = 0;                // steps before the mean starts
  const std::int64_t* clock = nullptr;  // [samples]: steps done before this chunk
  double* total = nullptr;
  double* start = nullptr;
  float* filtered = nullptr;
  float* probed = nullptr;
  float* last = nullptr;
};

// The state of one element, in registers. Means what the recurrence's letters mean: N, the sum at the start
// of the mean, f, p, h.
struct FoldElement {
  double total = 0, start = 0;
  float filtered = 0, probed = 0, last = 0;
};

SPIKESERVE_HOST_DEVICE double FoldSum(const FoldFilters& filters, const FoldElement& element) {
  return math::FoldSum(filters, element.total, element.filtered, element.probed);
}

SPIKESERVE_HOST_DEVICE FoldElement LoadFold(const FoldState& state, std::int64_t at) {
  FoldElement element;
  element.total = state.total[at];
  element.start = state.start[at];
  element.filtered = state.filters.synapse ? state.filtered[at] : 0.0F;
  element.probed = state.filters.probe_synapse ? state.probed[at] : 0.0F;
  element.last = state.last[at];
  return element;
}

SPIKESERVE_HOST_DEVICE void StoreFold(const FoldState& state, std::int64_t at, const FoldElement& element) {
  state.total[at] = element.total;
  state.start[at] = element.start;
  if (state.filters.synapse) {
    state.filtered[at] = element.filtered;
  }
  if (state.filters.probe_synapse) {
    state.probed[at] = element.probed;
  }
  state.last[at] = element.last;
}

// Step `done` (counted from 1) of the element.
SPIKESERVE_HOST_DEVICE void StepFold(const FoldState& state, float in, std::int64_t done,
                                     FoldElement& element) {
  element.total += static_cast<double>(in);
  element.last = math::FilterFold(state.filters, in, element.filtered, element.probed);
  if (done == state.skip) {
    element.start = FoldSum(state.filters, element);
  }
}

// A chunk of a fold whose source lies in memory.
struct Fold {
  std::int64_t samples = 0, steps = 0, size = 0;
  Cells source;       // [samples][steps][stride], or [samples][stride] where held
  bool held = false;  // the source does not vary in time
  FoldState state;
};

constexpr std::int64_t Threads(const Fold& fold) { return fold.samples * fold.size; }

SPIKESERVE_HOST_DEVICE void RunThread(const Fold& fold, std::int64_t thread) {
  const std::int64_t sample = thread / fold.size;
  const std::int64_t j = thread % fold.size;
  const std::int64_t done = fold.state.clock[sample];
  FoldElement element = LoadFold(fold.state, thread);
  for (std::int64_t step = 0; step < fold.steps; ++step) {
    const std::int64_t row = fold.held ? sample : sample * fold.steps + step;
    const std::int64_t at = row * fold.source.stride + j;
    const bool floats = fold.source.type == CellType::kFloat;
    const float in = floats ? LoadFloat(fold.source, at) : static_cast<float>(LoadCount(fold.source, at));
    StepFold(fold.state, in, done + step + 1, element);
  }
  StoreFold(fold.state, thread, element);
}

// out[sample][j]: the mean over `counted` steps, or the last value where that is 0.
struct FoldRead {
  std::int64_t samples = 0, size = 0;
  FoldState state;
  std::int64_t counted = 0;
  float* out = nullptr;
};

constexpr std::int64_t Threads(const FoldRead& read) { return read.samples * read.size; }

SPIKESERVE_HOST_DEVICE void RunThread(const FoldRead& read, std::int64_t thread) {
  const FoldElement element = LoadFold(read.state, thread);
  const double sum = FoldSum(read.state.filters, element) - element.start;
  read.out[thread] =
      read.counted > 0 ? static_cast<float>(sum / static_cast<double>(read.counted)) : element.last;
}

}  // namespace spikeserve::cuda
