#include "kernels/cpu/spikes/event_list.h"

#include <algorithm>
#include <bit>

#ifndef SPIKESERVE_EVENT_LIST_STEP
#define SPIKESERVE_EVENT_LIST_STEP
namespace spikeserve::kernels {
namespace {

// What a list has of a cell: it once where its count has the digit, or as often as it counts, or as its count
// differs from the usual one.
enum class Pick { kDigit, kCopies, kChanges };

// One step of one list: where its cells go, behind what the list holds already.
struct StepList {
  const std::uint8_t* counts;
  const std::uint8_t* usual;  // for kChanges
  std::int64_t cells, unit, units;
  std::uint8_t digit;  // as a power of two, for kDigit
  std::uint16_t* list;
  std::int32_t* start;  // [units + 1]
  std::size_t* end;     // of the list
};

}  // namespace
}  // namespace spikeserve::kernels
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/spikes/event_list.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using ByteTag = hn::CappedTag<std::uint8_t, 64>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(ByteTag()));

// Appends kLaneUnit * (cell + position) of the set bits, and of changes kLessBit where `less` has them; up to
// 64 entries behind them are spoilt.
template <Pick kPick>
HWY_INLINE std::uint16_t* WriteCells(std::uint64_t bits, std::uint64_t less, std::int64_t cell,
                                     std::uint16_t* out) {
  const int count = std::popcount(bits);
#if HWY_TARGET == HWY_AVX3_DL
  HWY_ALIGN static constexpr std::uint8_t kPositions[64] = {
      0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
      22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
      44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
  const __m512i found = _mm512_maskz_compress_epi8(bits, _mm512_load_si512(kPositions));
  const __m512i first = _mm512_set1_epi16(static_cast<std::int16_t>(kLaneUnit * cell));
  const std::uint64_t less_bits = kPick == Pick::kChanges ? _pext_u64(less, bits) : 0;
  const auto entries = [&](__m256i half, std::uint64_t of_half) {
    const __m512i cells = _mm512_add_epi16(_mm512_slli_epi16(_mm512_cvtepu8_epi16(half), 4), first);
    if (kPick != Pick::kChanges) {
      return cells;
    }
    return _mm512_mask_add_epi16(cells, static_cast<__mmask32>(of_half), cells, _mm512_set1_epi16(kLessBit));
  };
  static_assert(kLaneUnit == 16);
  _mm512_storeu_si512(out, entries(_mm512_castsi512_si256(found), less_bits));
  if (count > 32) {
    _mm512_storeu_si512(out + 32, entries(_mm512_extracti64x4_epi64(found, 1), less_bits >> 32));
  }
#else
  // Eight at a time whether there are as many or not: the branch that a loop to the last bit would miss
  // costs more.
  for (int written = 0; written < count; written += 8) {
    for (int i = 0; i < 8; ++i) {
      const int position = std::countr_zero(bits);
      const bool is_less = kPick == Pick::kChanges && position < 64 && (less >> position & 1) != 0;
      out[written + i] = static_cast<std::uint16_t>(kLaneUnit * (cell + position) + (is_less ? kLessBit : 0));
      bits &= bits - 1;
    }
  }
#endif
  return out + count;
}

// The bits of the first `left` lanes, or all.
HWY_INLINE std::uint64_t BitsOf(hn::Mask<ByteTag> mask, std::int64_t left) {
  std::uint64_t bits = 0;
  hn::StoreMaskBits(ByteTag(), mask, reinterpret_cast<std::uint8_t*>(&bits));
  return left < kLanes ? bits & ((std::uint64_t{1} << left) - 1) : bits;
}

// The cells of a vector: how often the list has them, and which of them for less. For a digit, 0 or not.
struct Found {
  hn::Vec<ByteTag> copies;
  hn::Mask<ByteTag> less;

  // Which of the next `left` cells, or of all, the list has more often than that.
  HWY_INLINE std::uint64_t Above(std::uint8_t than, std::int64_t left) const {
    const ByteTag d;
    return BitsOf(hn::Ne(hn::SaturatedSub(copies, hn::Set(d, than)), hn::Zero(d)), left);
  }
};

template <Pick kPick>
HWY_INLINE Found FindVector(const StepList& step, std::int64_t first) {
  const ByteTag d;
  const auto counts = hn::LoadU(d, step.counts + first);
  const auto none = hn::FirstN(d, 0);
  if constexpr (kPick == Pick::kDigit) {
    return {hn::And(counts, hn::Set(d, step.digit)), none};
  } else if constexpr (kPick == Pick::kCopies) {
    return {counts, none};
  } else {
    const auto usual = hn::LoadU(d, step.usual + first);
    const auto less = hn::SaturatedSub(usual, counts);
    return {hn::Or(hn::SaturatedSub(counts, usual), less), hn::Ne(less, hn::Zero(d))};
  }
}

template <Pick kPick>
HWY_INLINE std::uint64_t LessBits(const Found& found) {
  return kPick == Pick::kChanges ? BitsOf(found.less, kLanes) : 0;
}

// Appends the cells [first, end).
template <Pick kPick>
HWY_INLINE std::uint16_t* FindCells(const StepList& step, std::int64_t first, std::int64_t end,
                                    std::uint16_t* out) {
  for (; first < end; first += kLanes) {
    const Found found = FindVector<kPick>(step, first);
    const std::uint64_t less = LessBits<kPick>(found);
    out = WriteCells<kPick>(found.Above(0, end - first), less, first, out);
    if (kPick == Pick::kDigit) {
      continue;
    }
    std::uint8_t than = 1;
    if (kPick == Pick::kCopies) {  // some as a rule, or none: no branch could know
      out = WriteCells<kPick>(found.Above(than++, end - first), less, first, out);
    }
    for (std::uint64_t bits = 0; (bits = found.Above(than, end - first)) != 0; ++than) {
      out = WriteCells<kPick>(bits, less, first, out);
    }
  }
  return out;
}

// Appends units [begin, end), which one vector holds. False where the list has a cell of them twice.
template <Pick kPick>
HWY_INLINE bool FindTogether(const StepList& step, std::int64_t begin, std::int64_t end,
                             std::uint16_t*& out) {
  const std::int64_t first = begin * step.unit;
  const std::int64_t left = std::min(end * step.unit, step.cells) - first;
  const Found found = FindVector<kPick>(step, first);
  if (kPick != Pick::kDigit && found.Above(1, left) != 0) {
    return false;
  }
  const std::uint64_t bits = found.Above(0, left);
  for (std::int64_t u = begin; u < end; ++u) {
    const std::uint64_t before = (std::uint64_t{1} << ((u - begin) * step.unit)) - 1;
    step.start[u] = static_cast<std::int32_t>(out - step.list + std::popcount(bits & before));
  }
  out = WriteCells<kPick>(bits, LessBits<kPick>(found), first, out);
  return true;
}

template <Pick kPick>
void FindStep(const StepList& step) {
  std::uint16_t* out = step.list + *step.end;
  const std::int64_t together = kPick == Pick::kCopies ? 1 : std::max<std::int64_t>(1, kLanes / step.unit);
  for (std::int64_t begin = 0; begin < step.units; begin += together) {
    const std::int64_t end = std::min(begin + together, step.units);
    if (together > 1 && FindTogether<kPick>(step, begin, end, out)) {
      continue;
    }
    for (std::int64_t u = begin; u < end; ++u) {
      step.start[u] = static_cast<std::int32_t>(out - step.list);
      out = FindCells<kPick>(step, u * step.unit, std::min((u + 1) * step.unit, step.cells), out);
    }
  }
  *step.end = static_cast<std::size_t>(out - step.list);
  step.start[step.units] = static_cast<std::int32_t>(*step.end);
}

void Find(const StepList& step, Pick pick) {
  switch (pick) {
    case Pick::kDigit: return FindStep<Pick::kDigit>(step);
    case Pick::kCopies: return FindStep<Pick::kCopies>(step);
    case Pick::kChanges: return FindStep<Pick::kChanges>(step);
  }
}

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeserve::kernels {

HWY_EXPORT(Find);

void EventList::Build(const std::uint8_t* counts, std::int64_t stride, std::int64_t steps, std::int64_t cells,
                      std::int64_t unit, std::int32_t largest, SpikeForm form, const std::uint8_t* usual) {
  constexpr std::size_t kSlack = 64 + kCountPadding;  // what WriteCells spoils, what readers may read
  const bool digits = form == SpikeForm::kDigits;
  units_ = (cells + unit - 1) / unit;
  most_copies_ = digits ? 1 : largest;
  digits_ = digits ? static_cast<int>(std::bit_width(static_cast<std::uint32_t>(largest))) : 1;
  has_usual_ = form == SpikeForm::kChanges;
  const auto most = static_cast<std::size_t>(cells * most_copies_) + kSlack;  // of a step
  const auto fill = [&](List& list, Pick pick, const std::uint8_t* from, std::int64_t of_steps, int digit) {
    list.end = 0;
    list.start.resize(std::max(list.start.size(), static_cast<std::size_t>(of_steps * (units_ + 1))));
    for (std::int64_t step = 0; step < of_steps; ++step) {
      list.cells.resize(std::max(list.cells.size(), list.end + most));
      HWY_DYNAMIC_DISPATCH(Find)
      ({from + step * stride, usual, cells, unit, units_, static_cast<std::uint8_t>(1 << digit),
        list.cells.data(), list.start.data() + step * (units_ + 1), &list.end},
       pick);
    }
  };
  lists_.resize(std::max(lists_.size(), static_cast<std::size_t>(digits_)));
  for (int digit = 0; digit < digits_; ++digit) {
    fill(lists_[static_cast<std::size_t>(digit)],
         digits       ? Pick::kDigit
         : has_usual_ ? Pick::kChanges
                      : Pick::kCopies,
         counts, steps, digit);
  }
  if (has_usual_) {
    fill(usual_, Pick::kCopies, usual, 1, 0);
  }
}

}  // namespace spikeserve::kernels
#endif
