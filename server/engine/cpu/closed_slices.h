#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "server/engine/cpu/closed_planes.h"
#include "server/engine/run/constants/memory_constants.h"

namespace spikeserve::engine {

// A layer whose sums become counts as soon as they are there, with its counts laid out and what is added to
// all sums in ClosedScratch::base: what the threads that send its spikes share.
struct FusedLayerJob {
  const VectorTerm& packed;
  const MemoryConstants& memory;
  std::span<const ClosedSample> samples;
  const CountPlanes& planes;
  ClosedScratch& buffers;
  ClosedScratch::Sent& own;
  std::vector<std::int64_t> times;  // [sample], of all sums
  std::int64_t base_stride = 0;     // of `base`, from pixel to pixel
  bool halves = false;              // `base` is there in halves too
  bool listed = false;              // ClosedScratch::used says which groups of cells are used
  // Sets `base` for a sample, where each has its own; then one thread sends all. Or empty.
  std::function<void(std::size_t)> rebase;
};

// Sets what the neurons of slices [first, end) have sent, as bytes or as integers: T. part.all gets, by
// sample, a number with as many bits as the largest. Threads with other slices and parts may do the same
// meanwhile.
template <typename T>
void SendSlices(const FusedLayerJob& job, std::int64_t first, std::int64_t end, ClosedScratch::Part& part);

// Slices that are best sent at once, from `first` on.
std::int64_t SlicesAtOnce(const FusedLayerJob& job, std::int64_t first);

}  // namespace spikeserve::engine
