#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "server/engine/cpu/layout/arena.h"
#include "server/engine/cpu/layout/layer_state.h"
#include "server/engine/cpu/layout/run_shape.h"

namespace spikeserve::engine {

// Buffers of the closed form. Belongs to one thread.
struct ClosedScratch {
  ClosedScratch() = default;
  ClosedScratch(const RunShape& run, CpuArena& arena);

  // One sample of a pass: what its layers have received, and the first of them whose numbers left their range,
  // or -1.
  struct Sample {
    std::vector<LayerState>* layers = nullptr;
    std::int64_t failed = -1;
  };
  // What a layer in closed form has sent, [age][sample of a group][neuron].
  struct Sent {
    std::vector<std::span<std::int32_t>> counts;
    std::vector<std::vector<std::int64_t>> largest;  // [age][sample]: in magnitude
  };

  std::int64_t group = 1;                // samples whose counts meet the weights together
  std::vector<Sample> samples;           // of the pass
  std::vector<Sent> sent;                // [layer]
  std::span<std::int64_t> z;             // [sample][neuron] of one layer
  std::span<std::int32_t> cells;         // of one product of one sample
  std::span<std::uint8_t> planes;        // [sample]: digits of its cells, laid out for the product
  std::span<std::int32_t> low, high;     // sums of kernels::kLaneUnit channels of all pixels or samples
};

// Bytes of the digits of a sample's cells as the product reads them.
std::int64_t PlaneBytes(const VectorTerm& term);

}  // namespace spikeserve::engine
