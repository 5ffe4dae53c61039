#include "kernels/cpu/spikes/event_sums.h"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/spikes/event_sums.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using IntTag = hn::CappedTag<std::int32_t, 16>;
using ShortTag = hn::CappedTag<std::uint16_t, 32>;
using Int = hn::Vec<IntTag>;
using NarrowTag = hn::Rebind<std::int16_t, IntTag>;  // as many lanes
constexpr int kLanes = static_cast<int>(hn::MaxLanes(IntTag()));
constexpr int kVectors = static_cast<int>(kLaneUnit) / kLanes;
constexpr int kShorts = static_cast<int>(hn::MaxLanes(ShortTag()));

// Writes `count` times the value, and up to a vector more.
HWY_INLINE void Repeat(std::uint16_t value, std::int64_t count, std::uint16_t* out) {
  const ShortTag d;
  for (std::int64_t i = 0; i < count; i += kShorts) {
    hn::StoreU(hn::Set(d, value), d, out + i);
  }
}

// Where the next row and the step of its group go.
struct Ends {
  std::uint16_t* row;
  std::uint16_t* step_of;
};

// The rows of one range's cells. A change that is less has bit 0: it becomes the row behind the row of zeros.
template <bool kChanges>
HWY_INLINE std::uint16_t* CollectRange(std::span<const std::uint16_t> cells, const CellRange& range,
                                       std::int64_t zero_row, std::uint16_t* row) {
  const ShortTag d;
  const auto count = static_cast<std::int64_t>(cells.size());
  const auto shift = hn::Set(d, static_cast<std::uint16_t>(kLaneUnit * (range.row - range.cell)));
  const auto negative = hn::Set(d, static_cast<std::uint16_t>(kLaneUnit * (zero_row + 1) - kLessBit));
  for (std::int64_t i = 0; i < count; i += kShorts) {
    const auto cell = hn::LoadU(d, cells.data() + i);
    auto at = hn::Add(cell, shift);
    if (kChanges) {
      at = hn::Add(at, hn::IfThenElseZero(hn::TestBit(cell, hn::Set(d, kLessBit)), negative));
    }
    hn::StoreU(at, d, row + i);
  }
  return row + count;
}

// Ends the rows of a step, which lie from `first` on. Every step has a group.
HWY_INLINE Ends EndStep(const std::uint16_t* first, std::int64_t step, std::int64_t zero_row, Ends ends) {
  Repeat(static_cast<std::uint16_t>(kLaneUnit * zero_row), kGroupRows, ends.row);
  const std::int64_t rows = ends.row - first;
  const std::int64_t of_step = std::max<std::int64_t>(1, (rows + kGroupRows - 1) / kGroupRows);
  Repeat(static_cast<std::uint16_t>(kLaneUnit * step), of_step, ends.step_of);
  return {ends.row + of_step * kGroupRows - rows, ends.step_of + of_step};
}

template <bool kChanges>
HWY_INLINE void CollectSteps(const EventList& events, int digit, std::span<const CellRange> ranges,
                             std::int64_t steps, std::int64_t zero_row, SpikeGroups& groups) {
  Ends ends{groups.rows.data(), groups.steps.data()};
  bool silent = true;
  if (kChanges) {
    for (const CellRange& range : ranges) {
      ends.row =
          CollectRange<false>(events.Usual(range.unit, range.unit + range.units), range, zero_row, ends.row);
    }
    silent = ends.row == groups.rows.data();
    ends = EndStep(groups.rows.data(), 0, zero_row, ends);
  }
  for (std::int64_t step = 0; step < steps; ++step) {
    const std::uint16_t* const first = ends.row;
    for (const CellRange& range : ranges) {
      ends.row = CollectRange<kChanges>(events.Cells(digit, step, range.unit, range.unit + range.units),
                                        range, zero_row, ends.row);
    }
    silent = silent && ends.row == first;
    ends = EndStep(first, step + (kChanges ? 1 : 0), zero_row, ends);
  }
  groups.groups = silent ? 0 : ends.step_of - groups.steps.data();
  groups.has_usual = kChanges;
}

void Collect(const EventList& events, int digit, std::span<const CellRange> ranges, std::int64_t steps,
             std::int64_t zero_row, SpikeGroups& groups) {
  if (events.has_usual()) {
    CollectSteps<true>(events, digit, ranges, steps, zero_row, groups);
  } else {
    CollectSteps<false>(events, digit, ranges, steps, zero_row, groups);
  }
}

HWY_INLINE Int LoadWeights(const std::int32_t* at) { return hn::Load(IntTag(), at); }
HWY_INLINE Int LoadWeights(const std::int16_t* at) {
  return hn::PromoteTo(IntTag(), hn::Load(NarrowTag(), at));
}

// To the second-level cache.
HWY_INLINE void FetchAhead([[maybe_unused]] const void* line) {
#if defined(__GNUC__)
  __builtin_prefetch(line, 0, 2);
#endif
}

// Leaves the running sums after each step, usual counts first, in running [steps, or one more][kLaneUnit].
template <bool kAhead, typename Weight>
HWY_INLINE void RunSums(const SpikeGroups& groups, const Weight* tile, std::int32_t* running,
                        std::span<const Weight> next) {
  constexpr std::size_t kLine = 64 / sizeof(Weight);  // of the cache
  const Weight* line = next.data();
  const Weight* const last_line = line + next.size() - (kAhead ? kLine : 0);
  const IntTag d;
  Int sums[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    sums[v] = hn::Zero(d);
  }
  const std::uint16_t* row = groups.rows.data();
  const std::uint16_t* step = groups.steps.data();
  for (const std::uint16_t* const end = step + groups.groups; step != end; ++step, row += kGroupRows) {
    if (kAhead) {
      FetchAhead(line);
      line = std::min(line + kLine, last_line);
    }
    std::uint64_t rows;  // one load for all four
    std::memcpy(&rows, row, sizeof(rows));
    std::int32_t* const out = running + *step;
    for (int v = 0; v < kVectors; ++v) {
      const Weight* const at = tile + v * kLanes;
      const Int left = hn::Add(LoadWeights(at + (rows & 0xffff)), LoadWeights(at + (rows >> 16 & 0xffff)));
      const Int right = hn::Add(LoadWeights(at + (rows >> 32 & 0xffff)), LoadWeights(at + (rows >> 48)));
      sums[v] = hn::Add(sums[v], hn::Add(left, right));
      hn::Store(sums[v], d, out + v * kLanes);
    }
  }
}

template <typename Weight>
HWY_INLINE void Add(const SpikeGroups& groups, const Weight* tile, int digit, const GroupSums& out,
                    std::span<const Weight> next) {
  const IntTag d;
  if (next.empty()) {
    RunSums<false>(groups, tile, out.running, next);
  } else {
    RunSums<true>(groups, tile, out.running, next);
  }
  Int before[kVectors], usual[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    usual[v] = groups.has_usual ? hn::Load(d, out.running + v * kLanes) : hn::Zero(d);
    before[v] = usual[v];
  }
  const auto add = [&](std::int32_t * to, Int added) __attribute__((always_inline)) {
    hn::Store(hn::Add(hn::Load(d, to), hn::ShiftLeftSame(added, digit)), d, to);
  };
  const std::int32_t* running = out.running + (groups.has_usual ? kLaneUnit : 0);
  for (std::int64_t step = 0; step < out.steps; ++step) {
    for (int v = 0; v < kVectors; ++v) {
      const Int now = hn::Load(d, running + step * kLaneUnit + v * kLanes);
      const Int added = hn::Add(usual[v], hn::Sub(now, before[v]));
      const std::int64_t at = step * out.stride + v * kLanes;
      if (out.high == nullptr) {
        add(out.sums + at, added);
      } else {
        add(out.sums + at, hn::And(added, hn::Set(d, 0xffff)));
        add(out.high + at, hn::ShiftRight<16>(added));
      }
      before[v] = now;
    }
  }
}

void AddWide(const SpikeGroups& groups, const std::int32_t* tile, int digit, const GroupSums& out,
             std::span<const std::int32_t> next) {
  Add(groups, tile, digit, out, next);
}
void AddNarrow(const SpikeGroups& groups, const std::int16_t* tile, int digit, const GroupSums& out,
               std::span<const std::int16_t> next) {
  Add(groups, tile, digit, out, next);
}

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeserve::kernels {

HWY_EXPORT(Collect);
HWY_EXPORT(AddWide);
HWY_EXPORT(AddNarrow);

void CollectSpikes(const EventList& events, int digit, std::span<const CellRange> ranges, std::int64_t steps,
                   std::int64_t zero_row, SpikeGroups& groups) {
  constexpr std::int64_t kSlack = 64;  // what a vector writes behind the last entry
  std::int64_t most = kGroupRows;
  for (const CellRange& range : ranges) {
    most += range.length * events.most_copies();
  }
  most = (steps + 1) * most + kSlack;
  if (static_cast<std::int64_t>(groups.rows.size()) < most) {
    groups.rows.resize(static_cast<std::size_t>(most));
    groups.steps.resize(static_cast<std::size_t>(most / kGroupRows + kSlack));
  }
  HWY_DYNAMIC_DISPATCH(Collect)(events, digit, ranges, steps, zero_row, groups);
}

void AddSpikes(const SpikeGroups& groups, const std::int32_t* tile, int digit, const GroupSums& out,
               std::span<const std::int32_t> next) {
  if (groups.groups > 0) {
    HWY_DYNAMIC_DISPATCH(AddWide)(groups, tile, digit, out, next);
  }
}
void AddSpikes(const SpikeGroups& groups, const std::int16_t* tile, int digit, const GroupSums& out,
               std::span<const std::int16_t> next) {
  if (groups.groups > 0) {
    HWY_DYNAMIC_DISPATCH(AddNarrow)(groups, tile, digit, out, next);
  }
}

}  // namespace spikeserve::kernels
#endif
