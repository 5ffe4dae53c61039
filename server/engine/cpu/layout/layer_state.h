#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/filter.h"
#include "kernels/math/neuron.h"
#include "server/engine/cpu/layout/arena.h"
#include "server/engine/cpu/layout/run_shape.h"

namespace spikeserve::engine {

// What one term of a layer keeps, of one sample.
struct TermState {
  std::span<float> filter;    // of a plain low-pass
  kernels::FilterBank bank;   // of a general filter
  std::span<float> constant;  // room for the current of an input that is held
  bool known = false;         // that current has been computed
  // Of a layer with memory: what an input that is held brings in a step; what is on its way through a delay,
  // [step % delay].
  std::span<std::int64_t> whole, delayed;
  std::int64_t largest_whole = 0;  // in magnitude
  std::span<std::int64_t> totals;  // what the source has emitted in all steps, where wanted
};

// What one layer of one sample keeps from step to step in exact or fast mode.
struct LayerState {
  math::PerState<std::span<float>> neurons;  // [neuron], empty where they have no such state
  std::vector<TermState> terms;
  std::span<std::int64_t> spikes;  // [neuron], for statistics
  // [neuron] with memory: what its sources have brought, in its units, and what it has sent.
  std::span<std::int64_t> received, sent;
};

// Where everything lies that the layers of a sample keep, [layer]. With a counting arena: how much that is.
std::vector<LayerState> LayOutLayers(const RunShape& run, CpuArena& arena);

}  // namespace spikeserve::engine
