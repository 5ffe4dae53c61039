#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "server/engine/cpu/layout/arena.h"
#include "server/engine/cpu/layout/layer_state.h"
#include "server/engine/cpu/layout/run_shape.h"
#include "server/engine/run/simulation_spec.h"

namespace spikeserve::engine {

// Buffers of the closed form. Belongs to one thread.
struct ClosedScratch {
  ClosedScratch() = default;
  ClosedScratch(const RunShape& run, CpuArena& arena);

  // One sample of a pass at one step: what it has, and the first layer whose numbers left their range, or -1.
  struct Sample {
    std::vector<LayerState>* layers = nullptr;
    const SampleInputs* inputs = nullptr;
    std::int64_t steps = 0;
    std::int64_t begin = 0;  // what held inputs brought up to that step is in LayerState::received
    std::int64_t failed = -1;
  };
  // What a layer of passes has sent, at one age: as bytes where they hold all counts of a sample, else
  // as integers.
  struct Sent {
    std::int64_t size = 0, byte_stride = 0;
    std::span<std::int32_t> counts;     // [sample][neuron]
    std::span<std::uint8_t> bytes;      // [sample][byte_stride], of which kCountPadding are readable behind
    std::vector<std::int64_t> largest;  // [sample]: in magnitude, or another number of as many bits
    std::vector<bool> narrow;           // [sample]: the bytes are what counts

    std::span<const std::uint8_t> Bytes(std::size_t sample) const {
      return bytes.subspan(sample * Index(byte_stride), Index(size));
    }
    void Set(std::size_t sample, std::span<const std::int64_t> all);
    // Widens bytes where that must be.
    std::span<const std::int32_t> Counts(std::size_t sample);
  };

  // What a thread works with that sends some of a layer's slices.
  struct Part {
    std::vector<std::int32_t> low, high;  // [digit]: sums of some slices of all pixels or samples
    std::vector<std::uint64_t> seen,
        all;  // [sample]: bits of what neurons of a slice have sent; of all slices
  };
  // Makes room for that part and those before it.
  Part& PartOf(std::int64_t part);

  std::int64_t group = 1;                       // samples whose counts meet the weights together
  std::vector<Sample> samples;                  // of the pass
  std::vector<std::vector<Sent>> sent;          // [layer][age]
  std::vector<bool> wide;                       // [layer]: bytes have not held its counts
  std::span<std::int64_t> z;                    // [sample][neuron] of one layer
  std::span<std::int64_t> base;                 // of one layer
  std::span<std::int32_t> base_low, base_high;  // the same as 2^16 * high + low, low in [0, 2^16)
  std::span<std::int32_t> cells;                // of one product of one sample
  std::span<std::uint8_t> byte_cells;           // likewise
  std::span<std::uint8_t> planes;          // [digit][sample]: digits of its cells, laid out for the product
  std::vector<const std::uint8_t*> plane;  // [digit][sample]: where they are
  std::vector<std::int32_t> used;          // groups of cells that some of a few samples use, part by part
  std::vector<std::size_t> used_ends;      // of the parts
  std::span<float> read, read_sums;        // [sample]: of kProductGroup samples, what a readout reads
  std::vector<Part> parts;                 // of the threads that share a layer
  std::span<std::int32_t> low, high;       // [digit]: sums of some slices of all pixels or samples
};

// The bits of a digit of counts, with the target in force.
int DigitBits();

// Threads that share a layer, at most.
constexpr std::int64_t kMostParts = 16;

// Digits of counts that are laid out at a time.
constexpr int kPlanesAtOnce = 2;

// Bytes of the digits of a sample's cells as the product reads them.
std::int64_t PlaneBytes(const VectorTerm& term);

}  // namespace spikeserve::engine
