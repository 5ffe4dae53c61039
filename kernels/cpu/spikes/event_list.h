#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/packed_weights.h"

namespace spikeserve::kernels {

// Bytes that must be readable behind the last spike count of a buffer, and behind a list of cells.
constexpr std::int64_t kCountPadding = 64;

// What the lists of an EventList say of the counts.
enum class SpikeForm {
  kDigits,  // one list for each binary digit: a cell that spikes five times in a step is in lists 0 and 2
  kCopies,  // one list, which has the cell five times; for counts up to kMostCopies of which few are above 1
  // One list, which has the cell as often as its count differs from its usual one; for counts up to
  // kMostCopies of cells that fire steadily.
  kChanges,
};

// As many as a byte has digits, so that all forms take about the same room.
constexpr std::int32_t kMostCopies = 8;

// Bit of a cell in a list of changes that counts less than usual.
constexpr std::uint16_t kLessBit = 1;

// The spikes of a population over some steps as lists of cells, for loops that go from spike to spike. Cells
// come in units that always meet the weights together, such as the channels of a pixel. Reused
// from chunk to chunk; one thread at a time builds it, any number read it.
class EventList {
 public:
  // From counts [steps][stride], none above `largest`, of which `cells` per step are used, with kCountPadding
  // readable behind. The last unit may be a part of one. kChanges needs usual counts
  // [cells], padded likewise and not above `largest` either.
  void Build(const std::uint8_t* counts, std::int64_t stride, std::int64_t steps, std::int64_t cells,
             std::int64_t unit, std::int32_t largest, SpikeForm form, const std::uint8_t* usual = nullptr);

  // Upper bound of what the lists of so many steps and cells take: a byte has as many digits as a list of
  // copies may have of a cell.
  static std::int64_t Bytes(std::int64_t steps, std::int64_t cells) {
    return (steps + 1) * cells * kMostCopies * static_cast<std::int64_t>(sizeof(std::uint16_t));
  }

  // Binary digits of the largest count, 1 where there are copies or changes instead.
  int digits() const { return digits_; }
  // Whether the usual counts are to be added in every step.
  bool has_usual() const { return has_usual_; }
  // How often a list may have a cell in a step.
  std::int32_t most_copies() const { return most_copies_; }
  // Cells of units [first, end) whose count at the step has the digit, or all of them: each as the low 16
  // bits of kLaneUnit * cell, which tell cells of neighbouring units apart, with kLessBit where that is the
  // change. kCountPadding bytes behind are readable.
  std::span<const std::uint16_t> Cells(int digit, std::int64_t step, std::int64_t first,
                                       std::int64_t end) const {
    return lists_[static_cast<std::size_t>(digit)].Cells(step, units_, first, end);
  }
  // Likewise, as often as they usually spike in a step.
  std::span<const std::uint16_t> Usual(std::int64_t first, std::int64_t end) const {
    return usual_.Cells(0, units_, first, end);
  }

 private:
  struct List {
    std::vector<std::uint16_t> cells;
    std::vector<std::int32_t> start;  // [steps][units + 1]
    std::size_t end = 0;

    std::span<const std::uint16_t> Cells(std::int64_t step, std::int64_t units, std::int64_t first,
                                         std::int64_t last) const {
      const std::int32_t* of_step = start.data() + step * (units + 1);
      return {cells.data() + of_step[first], static_cast<std::size_t>(of_step[last] - of_step[first])};
    }
  };

  std::int64_t units_ = 0;
  int digits_ = 0;
  bool has_usual_ = false;
  std::int32_t most_copies_ = 1;
  std::vector<List> lists_;
  List usual_;
};

}  // namespace spikeserve::kernels
