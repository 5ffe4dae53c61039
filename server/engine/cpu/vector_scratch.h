#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/cpu/spikes/event_layer.h"
#include "kernels/cpu/spikes/event_list.h"
#include "server/engine/cpu/window_sums.h"

namespace spikeserve::engine {

// One sample's part of a held current: where its input lies, and where the current goes.
struct HeldSample {
  const std::byte* input = nullptr;
  std::vector<float>* current = nullptr;
  std::int64_t used = 0;  // about how much of the input is not 0
};

// Buffers of the vector kernels. Belongs to one thread, grows to what its layers need and is reused.
struct VectorScratch {
  std::array<std::vector<std::uint8_t>, kernels::kMaxEventTerms> cells;  // gathered of a chunk, [term]
  std::array<kernels::EventList, kernels::kMaxEventTerms> events;        // [term]
  std::vector<std::uint8_t> usual;                                       // counts of a source's cells
  using Sums = std::array<WindowSums, kernels::kMaxEventTerms>;          // [term]
  std::vector<std::vector<Sums>> parts;                  // [part of a layer's neurons][window of a bundle]
  std::vector<std::vector<kernels::CellRange>> windows;  // likewise, of one pixel
  std::vector<float> voltage;               // of a layer before the chunk, should the kernel give up
  std::vector<std::vector<float>> filters;  // likewise, [term]
  std::vector<float> filtered, probed;      // likewise, of the layer's fold
  std::vector<std::int64_t> spikes;         // of a layer during the chunk
  std::vector<float> source, held;          // inputs of one sample, cells of a group of samples
  std::vector<double> source_integers, held_integers;
  std::vector<HeldSample> held_samples;
  std::vector<std::int32_t> low_sums, high_sums;  // of a group of samples
  std::vector<kernels::CellRange> cell_runs;      // of the cells that some sample of a group uses
  std::vector<std::int32_t> used_groups;          // likewise, in groups of kDigitCells, part by part
  std::vector<std::size_t> used_ends;             // of the parts
  std::vector<float> sums;                        // products of a group of samples
  std::vector<double> integer_sums;
};

}  // namespace spikeserve::engine
