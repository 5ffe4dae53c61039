#pragma once

#include <cstdint>

#include "kernels/cuda/cells.h"
#include "kernels/cuda/scan.h"
#include "kernels/math/annotations.h"
#include "kernels/math/filter.h"

// Synapses beyond the plain low-pass of a scan, and delays: what a term or a probe passes on its way. One
// thread takes one element of one sample through the chunk, as kernels/cpu/filter.h does it.
namespace spikeserve::cuda {

enum class FilterKind { kPass, kLowpass, kAlpha, kFinite, kStates };

// A filter with a delay before it, and its state in device memory. Rings begin at step 0 with row 0; the
// clock says which row is next.
struct Filter {
  FilterKind kind = FilterKind::kPass;
  math::LowpassFilter lowpass;
  math::AlphaFilter alpha;
  math::StateFilter states;
  const float* weights = nullptr;  // kFinite: [taps]
  std::int64_t taps = 0;
  std::int64_t delay = 0;               // steps
  const std::int64_t* clock = nullptr;  // [samples]: steps done before this chunk
  float* delayed = nullptr;             // [samples][delay][size], a ring
  float* inputs = nullptr;              // kFinite: [samples][taps][size], a ring
  float* shown = nullptr;               // kLowpass, kStates: [samples][size]: y
  double* held = nullptr;               // [samples][HeldStates(...)][size]: kStates, and s and y of kAlpha
};

// Doubles that an element of a filter keeps.
SPIKESERVE_HOST_DEVICE constexpr std::int64_t HeldStates(FilterKind kind, const math::StateFilter& states) {
  return kind == FilterKind::kAlpha ? 2 : (kind == FilterKind::kStates ? states.order : 0);
}

// out[sample][step][j]: the current of a term behind its filter.
struct FilteredTerm {
  std::int64_t samples = 0, steps = 0, size = 0;
  ScanTerm term;  // not filtered
  Filter filter;
  float* out = nullptr;
};

// The same for what a probe reads: counts times a factor, or floats.
struct FilteredCells {
  std::int64_t samples = 0, steps = 0, size = 0;
  Cells source;  // [samples][steps][stride]
  float factor = 1;
  Filter filter;
  float* out = nullptr;
};

constexpr std::int64_t Threads(const FilteredTerm& work) { return work.samples * work.size; }
constexpr std::int64_t Threads(const FilteredCells& work) { return work.samples * work.size; }

// Where one thread works: rows of a ring or of states are `size` apart.
struct FilterPlace {
  std::int64_t sample = 0, j = 0, size = 0;
};

// Element of row `row` of `rows` per sample.
SPIKESERVE_HOST_DEVICE std::int64_t At(const FilterPlace& place, std::int64_t rows, std::int64_t row) {
  return (place.sample * rows + row) * place.size + place.j;
}

// What the delay lets out for `u`. `done`: steps before this one, of the whole run.
SPIKESERVE_HOST_DEVICE float StepDelay(const Filter& filter, const FilterPlace& place, std::int64_t done,
                                       float u) {
  if (filter.delay == 0) {
    return u;
  }
  float& oldest = filter.delayed[At(place, filter.delay, done % filter.delay)];
  const float out = oldest;
  oldest = u;
  return out;
}

SPIKESERVE_HOST_DEVICE float StepFinite(const Filter& filter, const FilterPlace& place, std::int64_t done,
                                        float u) {
  std::int64_t row = done % filter.taps;  // of the oldest input, whose place the new one takes
  float& oldest = filter.inputs[At(place, filter.taps, row)];
  float sum = math::BeginFinite(filter.weights[filter.taps - 1], oldest);
  oldest = u;
  for (std::int64_t i = 0; i + 1 < filter.taps; ++i) {
    row = row == 0 ? filter.taps - 1 : row - 1;
    sum = math::AddFinite(filter.weights[i], filter.inputs[At(place, filter.taps, row)], sum);
  }
  return sum;
}

// The state of one element in registers.
struct FilterElement {
  float shown = 0;
  double held[math::kMaxFilterOrder] = {};
};

// kOrder: of kStates.
template <FilterKind kKind, int kOrder>
SPIKESERVE_HOST_DEVICE float StepFilter(const Filter& filter, const FilterPlace& place, std::int64_t done,
                                        float u, FilterElement& element) {
  if constexpr (kKind == FilterKind::kLowpass) {
    return math::StepLowpass(filter.lowpass, u, element.shown);
  } else if constexpr (kKind == FilterKind::kAlpha) {
    return math::StepAlpha(filter.alpha, u, element.held[0], element.held[1]);
  } else if constexpr (kKind == FilterKind::kFinite) {
    return StepFinite(filter, place, done, u);
  } else if constexpr (kKind == FilterKind::kStates) {
    double next[math::kMaxFilterOrder] = {};
    const float out = math::StepStates<kOrder>(filter.states, u, element.held, next, element.shown);
    SPIKESERVE_UNROLL
    for (int i = 0; i < math::kMaxFilterOrder; ++i) {
      element.held[i] = next[i];
    }
    return out;
  } else {
    return u;
  }
}

// Takes one element through the chunk; `input(step)` gives what goes in.
template <FilterKind kKind, int kOrder = 0, typename Input>
SPIKESERVE_HOST_DEVICE void RunFilter(const Filter& filter, const FilterPlace& place, std::int64_t steps,
                                      float* out, Input input) {
  constexpr int kStates = kKind == FilterKind::kAlpha ? 2 : kOrder;  // NOLINT: equal for an order of 2
  const std::int64_t at = At(place, 1, 0);
  const std::int64_t done = filter.clock[place.sample];
  FilterElement element;
  element.shown = filter.shown == nullptr ? 0.0F : filter.shown[at];
  SPIKESERVE_UNROLL
  for (int i = 0; i < kStates; ++i) {
    element.held[i] = filter.held[At(place, kStates, i)];
  }
  for (std::int64_t step = 0; step < steps; ++step) {
    const float u = StepDelay(filter, place, done + step, input(step));
    out[At(place, steps, step)] = StepFilter<kKind, kOrder>(filter, place, done + step, u, element);
  }
  if (filter.shown != nullptr) {
    filter.shown[at] = element.shown;
  }
  SPIKESERVE_UNROLL
  for (int i = 0; i < kStates; ++i) {
    filter.held[At(place, kStates, i)] = element.held[i];
  }
}

template <typename Input>
SPIKESERVE_HOST_DEVICE void RunStateFilter(const Filter& filter, const FilterPlace& place, std::int64_t steps,
                                           float* out, Input input) {
  switch (filter.states.order) {
    case 0: return RunFilter<FilterKind::kStates, 0>(filter, place, steps, out, input);
    case 1: return RunFilter<FilterKind::kStates, 1>(filter, place, steps, out, input);
    case 2: return RunFilter<FilterKind::kStates, 2>(filter, place, steps, out, input);
    case 3: return RunFilter<FilterKind::kStates, 3>(filter, place, steps, out, input);
    default: return RunFilter<FilterKind::kStates, math::kMaxFilterOrder>(filter, place, steps, out, input);
  }
}

template <typename Input>
SPIKESERVE_HOST_DEVICE void RunAnyFilter(const Filter& filter, const FilterPlace& place, std::int64_t steps,
                                         float* out, Input input) {
  switch (filter.kind) {
    case FilterKind::kLowpass: return RunFilter<FilterKind::kLowpass>(filter, place, steps, out, input);
    case FilterKind::kAlpha: return RunFilter<FilterKind::kAlpha>(filter, place, steps, out, input);
    case FilterKind::kFinite: return RunFilter<FilterKind::kFinite>(filter, place, steps, out, input);
    case FilterKind::kStates: return RunStateFilter(filter, place, steps, out, input);
    case FilterKind::kPass: break;
  }
  RunFilter<FilterKind::kPass>(filter, place, steps, out, input);
}

// What a term gives a filter, step by step. Structures, since nvcc takes no lambdas here.
struct TermInput {
  const ScanTerm& term;
  TermElement element;
  SPIKESERVE_HOST_DEVICE float operator()(std::int64_t step) const {
    return TermCurrent(term, step, element);
  }
};

struct CellInput {
  const FilteredCells& work;
  FilterPlace place;
  SPIKESERVE_HOST_DEVICE float operator()(std::int64_t step) const {
    const std::int64_t at = (place.sample * work.steps + step) * work.source.stride + place.j;
    return LoadValue(work.source, at, work.factor);
  }
};

SPIKESERVE_HOST_DEVICE void RunThread(const FilteredTerm& work, std::int64_t thread) {
  const FilterPlace place{thread / work.size, thread % work.size, work.size};
  const TermInput input{work.term, LoadTerm(work.term, work.steps, work.size, place.sample, place.j)};
  RunAnyFilter(work.filter, place, work.steps, work.out, input);
}

SPIKESERVE_HOST_DEVICE void RunThread(const FilteredCells& work, std::int64_t thread) {
  const FilterPlace place{thread / work.size, thread % work.size, work.size};
  RunAnyFilter(work.filter, place, work.steps, work.out, CellInput{work, place});
}

}  // namespace spikeserve::cuda
