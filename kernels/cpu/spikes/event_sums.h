#pragma once

#include <cstdint>
#include <span>

#include "kernels/cpu/aligned.h"
#include "kernels/cpu/packed_weights.h"
#include "kernels/cpu/spikes/event_list.h"

// Sums of integer weights over the spikes under a window, all steps of a chunk at once. The spikes of all
// steps lie in one list; the loop over it adds without end and never branches on how many a step has: what a
// step adds is the difference between the running sums after it and before it, which is exact also where they
// wrap.
namespace spikeserve::kernels {

// Rows that are added between two looks at the running sums.
constexpr std::int64_t kGroupRows = 4;

// The spikes of one digit under a window within one tile of SlicedWeights. Reused from window to window.
struct SpikeGroups {
  AlignedVector<std::uint16_t> rows;   // [groups][kGroupRows]: kLaneUnit * row of the tile
  AlignedVector<std::uint16_t> steps;  // [groups]: kLaneUnit * step, ascending, no step left out
  std::int64_t groups = 0;             // 0: no spike in any step
  bool has_usual = false;              // the first step is what every other one has besides its own
};

// Steps and rows of a tile are kept in 16 bits, times kLaneUnit.
constexpr std::int64_t kMaxGroupSteps = 4095;
constexpr std::int64_t kMaxTileRows = 4096;

// Collects the spikes of a digit over `steps` steps, at most kMaxGroupSteps. The rows of `ranges` are those
// of the tile; `zero_row` is its row of zeros, behind which the negatives of all rows come where `events` are
// changes: the last of these rows is below kMaxTileRows.
void CollectSpikes(const EventList& events, int digit, std::span<const CellRange> ranges, std::int64_t steps,
                   std::int64_t zero_row, SpikeGroups& groups);

// Where sums go.
struct GroupSums {
  std::int64_t steps = 0;
  std::int32_t* sums = nullptr;  // [steps][stride], the first kLaneUnit of each row are added to
  std::int64_t stride = 0;
  // Likewise, or null where sums fit an int32: a sum is then 2^16 * high + sums.
  std::int32_t* high = nullptr;
  std::int32_t* running = nullptr;  // [steps + 1][kLaneUnit], room to work in; both lie at vectors' starts
};

// Adds 2^digit times the sums of the tile's rows. `next`, weights that will be read afterwards, come closer
// meanwhile. Sums are of 32 bits whatever the weights are stored in.
void AddSpikes(const SpikeGroups& groups, const std::int32_t* tile, int digit, const GroupSums& out,
               std::span<const std::int32_t> next);
void AddSpikes(const SpikeGroups& groups, const std::int16_t* tile, int digit, const GroupSums& out,
               std::span<const std::int16_t> next);

}  // namespace spikeserve::kernels
