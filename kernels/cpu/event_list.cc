#include "kernels/cpu/event_list.h"

#include <algorithm>
#include <bit>

#ifndef SPIKESERVE_EVENT_LIST_STEP
#define SPIKESERVE_EVENT_LIST_STEP
namespace spikeserve::kernels {
namespace {

// Where the cells of one step go: behind what the lists hold already.
struct StepLists {
  const std::uint8_t* counts;
  std::int64_t unit, units;
  std::int32_t *active, *repeated;
  std::int32_t *active_start, *repeated_start;  // [units + 1]
  std::size_t *active_end, *repeated_end;
};

}  // namespace
}  // namespace spikeserve::kernels
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/event_list.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using ByteTag = hn::CappedTag<std::uint8_t, 64>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(ByteTag()));

HWY_INLINE std::uint64_t Bits(hn::Mask<ByteTag> mask) {
  std::uint64_t bits = 0;
  hn::StoreMaskBits(ByteTag(), mask, reinterpret_cast<std::uint8_t*>(&bits));
  return bits;
}

// Writes the positions of the set bits, eight at a time whether there are as many or not: the branch that a
// loop to the last bit would miss costs more.
HWY_INLINE std::int32_t* WriteCells(std::uint64_t bits, std::int32_t cell, std::int32_t* out) {
  const int count = std::popcount(bits);
  for (int written = 0; written < count; written += 8) {
    for (int i = 0; i < 8; ++i) {
      out[written + i] = cell + std::countr_zero(bits);
      bits &= bits - 1;
    }
  }
  return out + count;
}

// Appends the cells of one unit; `to` and `repeated` have room for them and eight more.
HWY_INLINE void FindCells(const std::uint8_t* counts, std::int32_t first, std::int32_t count,
                          std::int32_t*& active, std::int32_t*& repeated) {
  const ByteTag d;
  for (std::int32_t done = 0; done < count; done += kLanes) {
    const auto bytes = hn::LoadU(d, counts + first + done);
    std::uint64_t bits = Bits(hn::Ne(bytes, hn::Zero(d)));
    if (count - done < kLanes) {
      bits &= (std::uint64_t{1} << (count - done)) - 1;
    }
    if (bits == 0) {
      continue;
    }
    active = WriteCells(bits, first + done, active);
    const std::uint64_t several = bits & ~Bits(hn::Eq(bytes, hn::Set(d, 1)));
    if (several != 0) {
      repeated = WriteCells(several, first + done, repeated);
    }
  }
}

void FindStep(const StepLists& lists) {
  std::int32_t* active = lists.active + *lists.active_end;
  std::int32_t* repeated = lists.repeated + *lists.repeated_end;
  for (std::int64_t u = 0; u <= lists.units; ++u) {
    lists.active_start[u] = static_cast<std::int32_t>(active - lists.active);
    lists.repeated_start[u] = static_cast<std::int32_t>(repeated - lists.repeated);
    if (u < lists.units) {
      FindCells(lists.counts, static_cast<std::int32_t>(u * lists.unit),
                static_cast<std::int32_t>(lists.unit), active, repeated);
    }
  }
  *lists.active_end = static_cast<std::size_t>(active - lists.active);
  *lists.repeated_end = static_cast<std::size_t>(repeated - lists.repeated);
}

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeserve::kernels {

HWY_EXPORT(FindStep);

void EventList::Build(const std::uint8_t* counts, std::int64_t stride, std::int64_t steps, std::int64_t cells,
                      std::int64_t unit) {
  constexpr std::size_t kSlack = 8;  // WriteCells writes beyond its end
  unit_ = unit;
  units_ = cells / unit;
  active_end_ = repeated_end_ = 0;
  const auto starts = static_cast<std::size_t>(steps * (units_ + 1));
  active_start_.resize(std::max(active_start_.size(), starts));
  repeated_start_.resize(std::max(repeated_start_.size(), starts));
  for (std::int64_t step = 0; step < steps; ++step) {
    const std::size_t room = static_cast<std::size_t>(cells) + kSlack;
    active_.resize(std::max(active_.size(), active_end_ + room));
    repeated_.resize(std::max(repeated_.size(), repeated_end_ + room));
    extra_.resize(repeated_.size());
    const std::size_t first_repeated = repeated_end_;
    const std::uint8_t* row = counts + step * stride;
    HWY_DYNAMIC_DISPATCH(FindStep)
    ({row, unit_, units_, active_.data(), repeated_.data(), active_start_.data() + step * (units_ + 1),
      repeated_start_.data() + step * (units_ + 1), &active_end_, &repeated_end_});
    for (std::size_t i = first_repeated; i < repeated_end_; ++i) {
      extra_[i] = row[repeated_[i]] - 1;
    }
  }
}

}  // namespace spikeserve::kernels
#endif
