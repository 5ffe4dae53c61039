#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cpu/event_sums.h"
#include "server/engine/fast_plan.h"

namespace spikeserve::engine {

// Sums of a term's weights over the spikes under one window after the other, all steps of a chunk at once.
// Belongs to one thread, grows to what its layers need and is reused.
class WindowSums {
 public:
  // Goes to the window of an output pixel. `events` are the source's over `steps` steps; both outlive the
  // sums.
  void SetWindow(const FastTerm& term, std::int64_t pixel, const kernels::EventList& events,
                 std::int64_t steps);
  // [steps][kLaneUnit * slices] sums of the output channels from kLaneUnit * `first_slice` on. They must fit
  // an int32: the caller has checked the largest count times the row sums. Valid until the next call.
  const std::int32_t* Sum(std::int64_t first_slice, std::int64_t slices);

 private:
  const FastTerm* term_ = nullptr;
  std::int64_t steps_ = 0;
  int digits_ = 0;
  std::vector<kernels::CellRange> ranges_;    // of the window
  std::vector<kernels::CellRange> of_tile_;   // of one tile, rows counted from its first
  std::vector<kernels::SpikeGroups> spikes_;  // [tile][digit]
  kernels::AlignedVector<std::int32_t> sums_, running_;
};

}  // namespace spikeserve::engine
