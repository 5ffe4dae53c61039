#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "kernels/cpu/event_layer.h"

namespace spikeserve::engine {

// Buffers of the fast paths. Belongs to one thread, grows to what its layers need and is reused.
struct FastScratch {
  std::vector<std::uint8_t> cells;                                 // gathered cells of a chunk
  std::array<kernels::EventList, kernels::kMaxEventTerms> events;  // [term]
  using Windows =
      std::array<std::vector<kernels::CellRange>, kernels::kMaxEventTerms>;  // of one pixel, [term]
  static constexpr std::int64_t kMaxParts = 64;
  std::array<Windows, kMaxParts> windows;   // [thread]
  std::vector<float> voltage;               // of a layer before the chunk, should the kernel give up
  std::vector<std::vector<float>> filters;  // likewise, [term]
  std::vector<float> filtered, probed;      // likewise, of the layer's fold
  std::vector<std::int64_t> spikes;         // of a layer during the chunk
  std::vector<float> source, held;          // inputs of one sample, cells of a group of samples
  std::vector<double> source_integers, held_integers;
  std::vector<float> sums;  // products of a group of samples
  std::vector<double> integer_sums;
};

}  // namespace spikeserve::engine
