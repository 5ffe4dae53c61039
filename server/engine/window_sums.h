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
  // [steps][kLaneUnit * slices]: a sum is 2^16 * high + low, or just low where high is null.
  struct Sums {
    const std::int32_t* low = nullptr;
    const std::int32_t* high = nullptr;
  };

  // Whether sums of the weights times counts up to `largest` can be had at all.
  static bool Fits(const FastTerm& term, std::int64_t largest);

  // Goes to the window of an output pixel. `events` are the source's over `steps` steps, no count above
  // `largest`, which Fits; both outlive the sums.
  void SetWindow(const FastTerm& term, std::int64_t pixel, const kernels::EventList& events,
                 std::int64_t largest, std::int64_t steps);
  // Of the output channels from kLaneUnit * `first_slice` on. Valid until the next call.
  Sums Sum(std::int64_t first_slice, std::int64_t slices);

 private:
  const FastTerm* term_ = nullptr;
  std::int64_t steps_ = 0;
  int digits_ = 0;
  bool wide_ = false;                         // sums may pass an int32
  std::vector<kernels::CellRange> ranges_;    // of the window
  std::vector<kernels::CellRange> of_tile_;   // of one tile, rows counted from its first
  std::vector<kernels::SpikeGroups> spikes_;  // [tile][digit]
  kernels::AlignedVector<std::int32_t> sums_, high_, running_;
};

}  // namespace spikeserve::engine
