#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace spikeserve::kernels {

// The spikes of a population over some steps as lists of cells, for loops that go from spike to spike. Cells
// come in units that always meet the weights together, such as the channels of a pixel. Reused from chunk to
// chunk; one thread at a time builds it, any number read it.
class EventList {
 public:
  // From counts [steps][stride], of which `cells` per step are used, with kCountPadding readable behind;
  // `unit` divides `cells`.
  void Build(const std::uint8_t* counts, std::int64_t stride, std::int64_t steps, std::int64_t cells,
             std::int64_t unit);

  // Cells that spike in a step, ascending: those of units [first, end).
  std::span<const std::int32_t> Active(std::int64_t step, std::int64_t first, std::int64_t end) const {
    return Between(active_, active_start_.data() + step * (units_ + 1), first, end);
  }
  // Of these, the ones that spike more than once, and how much more often than once.
  std::span<const std::int32_t> Repeated(std::int64_t step, std::int64_t first, std::int64_t end) const {
    return Between(repeated_, repeated_start_.data() + step * (units_ + 1), first, end);
  }
  const std::int32_t* Extra(std::span<const std::int32_t> repeated) const {
    return extra_.data() + (repeated.data() - repeated_.data());
  }
  // Cells that spike, over all steps.
  std::int64_t active() const { return static_cast<std::int64_t>(active_end_); }

 private:
  static std::span<const std::int32_t> Between(const std::vector<std::int32_t>& cells,
                                               const std::int32_t* start, std::int64_t first,
                                               std::int64_t end) {
    return {cells.data() + start[first], static_cast<std::size_t>(start[end] - start[first])};
  }

  std::int64_t unit_ = 1;
  std::int64_t units_ = 0;
  std::size_t active_end_ = 0, repeated_end_ = 0;
  std::vector<std::int32_t> active_, repeated_, extra_;
  std::vector<std::int32_t> active_start_, repeated_start_;  // [steps][units + 1]
};

}  // namespace spikeserve::kernels
