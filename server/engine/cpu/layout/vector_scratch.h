#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/spikes/event_layer.h"
#include "kernels/cpu/spikes/event_list.h"
#include "server/engine/cpu/layout/arena.h"
#include "server/engine/cpu/layout/layer_state.h"
#include "server/engine/cpu/layout/run_shape.h"
#include "server/engine/cpu/layout/window_sums.h"

namespace spikeserve::engine {

// One sample's part of a held current: where its input lies, and where the current goes.
struct HeldSample {
  const std::byte* input = nullptr;
  TermState* state = nullptr;
  std::int64_t used = 0;  // about how much of the input is not 0
};

// Buffers of the vector kernels. Belongs to one thread. What spikes and windows need lies in vectors that
// grow to it and are reused: the most that they may need is many times what they do.
struct VectorScratch {
  using Sums = std::array<WindowSums, kernels::kMaxEventTerms>;  // [term]

  VectorScratch() = default;
  VectorScratch(const RunShape& run, CpuArena& arena);

  std::array<std::span<std::uint8_t>, kernels::kMaxEventTerms> cells;  // gathered of a chunk, [term]
  // Of a layer before the chunk, should the kernel give up; then the filters of its fold.
  std::span<float> voltage;
  std::array<std::span<float>, kernels::kMaxEventTerms> filters;  // [term]
  std::span<float> filtered, probed;
  std::span<std::int64_t> spikes;  // of a layer during the chunk
  // Held inputs of one sample, cells and sums of a group of samples.
  std::span<float> source, held, sums;
  std::span<double> source_integers, held_integers, integer_sums;
  std::span<std::uint8_t> held_bytes;
  std::span<std::int32_t> low_sums, high_sums;

  std::array<kernels::EventList, kernels::kMaxEventTerms> events;  // [term]
  std::vector<std::uint8_t> usual;                                 // counts of a source's cells
  std::vector<std::vector<Sums>> parts;                  // [part of a layer's neurons][window of a bundle]
  std::vector<std::vector<kernels::CellRange>> windows;  // likewise, of one pixel
  std::vector<HeldSample> held_samples;
  std::vector<kernels::CellRange> cell_runs;  // of the cells that some sample of a group uses
  std::vector<std::int32_t> used_groups;      // likewise, in groups of kDigitCells, part by part
  std::vector<std::size_t> used_ends;         // of the parts
};

}  // namespace spikeserve::engine
