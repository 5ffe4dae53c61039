#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/packed_weights.h"

namespace spikeserve::kernels {

// Bytes that must be readable behind the last spike count of a buffer, and behind a list of cells.
constexpr std::int64_t kCountPadding = 64;

// What the lists of an EventList say of a count.
enum class SpikeForm {
  kDigits,  // one list for each binary digit: a cell that spikes five times in a step is in lists 0 and 2
  kCopies,  // one list, which has the cell five times; for counts up to kMostCopies of which few are above 1
};

// As many as a byte has digits, so that both forms take the same room.
constexpr std::int32_t kMostCopies = 8;

// The spikes of a population over some steps as lists of cells, for loops that go from spike to spike. Cells
// come in units that always meet the weights together, such as the channels of a pixel. Reused
// from chunk to chunk; one thread at a time builds it, any number read it.
class EventList {
 public:
  // From counts [steps][stride], none above `largest`, of which `cells` per step are used, with kCountPadding
  // readable behind. The last unit may be a part of one.
  void Build(const std::uint8_t* counts, std::int64_t stride, std::int64_t steps, std::int64_t cells,
             std::int64_t unit, std::int32_t largest, SpikeForm form);

  // Binary digits of the largest count, 1 where there are copies instead.
  int digits() const { return digits_; }
  // How often a list may have a cell in a step.
  std::int32_t most_copies() const { return most_copies_; }
  // Cells of units [first, end) whose count at the step has the digit, or all of them: each as the low 16
  // bits of kLaneUnit * cell, which tell cells of neighbouring units apart. kCountPadding bytes behind are
  // readable.
  std::span<const std::uint16_t> Cells(int digit, std::int64_t step, std::int64_t first,
                                       std::int64_t end) const {
    const Digit& list = lists_[static_cast<std::size_t>(digit)];
    const std::int32_t* start = list.start.data() + step * (units_ + 1);
    return {list.cells.data() + start[first], static_cast<std::size_t>(start[end] - start[first])};
  }

 private:
  struct Digit {
    std::vector<std::uint16_t> cells;
    std::vector<std::int32_t> start;  // [steps][units + 1]
    std::size_t end = 0;
  };

  std::int64_t units_ = 0;
  int digits_ = 0;
  std::int32_t most_copies_ = 1;
  std::vector<Digit> lists_;
};

}  // namespace spikeserve::kernels
