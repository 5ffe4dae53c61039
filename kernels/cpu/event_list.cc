#include "kernels/cpu/event_list.h"

#include <algorithm>
#include <bit>

#ifndef SPIKESERVE_EVENT_LIST_STEP
#define SPIKESERVE_EVENT_LIST_STEP
namespace spikeserve::kernels {
namespace {

// One step of one digit: where its cells go, behind what the list holds already.
struct StepList {
  const std::uint8_t* counts;
  std::int64_t cells, unit, units;
  std::uint8_t digit;  // as a power of two; 0: copies
  std::uint16_t* list;
  std::int32_t* start;  // [units + 1]
  std::size_t* end;     // of the list
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

// Appends kLaneUnit * (cell + position) of the set bits; up to 64 entries behind them are spoilt.
HWY_INLINE std::uint16_t* WriteCells(std::uint64_t bits, std::int64_t cell, std::uint16_t* out) {
  const int count = std::popcount(bits);
#if HWY_TARGET == HWY_AVX3_DL
  HWY_ALIGN static constexpr std::uint8_t kPositions[64] = {
      0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
      22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
      44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
  const __m512i found = _mm512_maskz_compress_epi8(bits, _mm512_load_si512(kPositions));
  const __m512i first = _mm512_set1_epi16(static_cast<std::int16_t>(kLaneUnit * cell));
  const auto entries = [&](__m256i half) {
    return _mm512_add_epi16(_mm512_slli_epi16(_mm512_cvtepu8_epi16(half), 4), first);
  };
  static_assert(kLaneUnit == 16);
  _mm512_storeu_si512(out, entries(_mm512_castsi512_si256(found)));
  if (count > 32) {
    _mm512_storeu_si512(out + 32, entries(_mm512_extracti64x4_epi64(found, 1)));
  }
#else
  // Eight at a time whether there are as many or not: the branch that a loop to the last bit would miss
  // costs more.
  for (int written = 0; written < count; written += 8) {
    for (int i = 0; i < 8; ++i) {
      out[written + i] = static_cast<std::uint16_t>(kLaneUnit * (cell + std::countr_zero(bits)));
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

// Appends those of the cells [first, end) that have the digit.
HWY_INLINE std::uint16_t* FindCells(const StepList& step, std::int64_t first, std::int64_t end,
                                    std::uint16_t* out) {
  const ByteTag d;
  for (; first < end; first += kLanes) {
    const auto bytes = hn::LoadU(d, step.counts + first);
    const std::uint64_t bits = BitsOf(hn::TestBit(bytes, hn::Set(d, step.digit)), end - first);
    if (bits != 0) {
      out = WriteCells(bits, first, out);
    }
  }
  return out;
}

// Appends each of the cells [first, end) as often as it spikes.
HWY_INLINE std::uint16_t* CopyCells(const StepList& step, std::int64_t first, std::int64_t end,
                                    std::uint16_t* out) {
  const ByteTag d;
  for (; first < end; first += kLanes) {
    const auto counts = hn::LoadU(d, step.counts + first);
    const auto above = [&](std::uint8_t count) {
      return BitsOf(hn::Ne(hn::SaturatedSub(counts, hn::Set(d, count)), hn::Zero(d)), end - first);
    };
    out = WriteCells(above(0), first, out);
    out = WriteCells(above(1), first, out);  // none as a rule, or some: no branch could know
    std::uint64_t bits = above(2);
    for (std::uint8_t count = 3; bits != 0; ++count) {
      out = WriteCells(bits, first, out);
      bits = above(count);
    }
  }
  return out;
}

void FindStep(const StepList& step) {
  std::uint16_t* out = step.list + *step.end;
  for (std::int64_t u = 0; u < step.units; ++u) {
    step.start[u] = static_cast<std::int32_t>(out - step.list);
    const std::int64_t first = u * step.unit;
    const std::int64_t end = std::min(first + step.unit, step.cells);
    out = step.digit != 0 ? FindCells(step, first, end, out) : CopyCells(step, first, end, out);
  }
  *step.end = static_cast<std::size_t>(out - step.list);
  step.start[step.units] = static_cast<std::int32_t>(*step.end);
}

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeserve::kernels {

HWY_EXPORT(FindStep);

void EventList::Build(const std::uint8_t* counts, std::int64_t stride, std::int64_t steps, std::int64_t cells,
                      std::int64_t unit, std::int32_t largest, SpikeForm form) {
  constexpr std::size_t kSlack = 64 + kCountPadding;  // what WriteCells spoils, what readers may read
  const bool copies = form == SpikeForm::kCopies;
  most_copies_ = copies ? largest : 1;
  const auto most = static_cast<std::size_t>(cells * most_copies_) + kSlack;  // of a step
  units_ = (cells + unit - 1) / unit;
  digits_ = copies ? 1 : static_cast<int>(std::bit_width(static_cast<std::uint32_t>(largest)));
  lists_.resize(std::max(lists_.size(), static_cast<std::size_t>(digits_)));
  const auto starts = static_cast<std::size_t>(steps * (units_ + 1));
  for (int digit = 0; digit < digits_; ++digit) {
    Digit& list = lists_[static_cast<std::size_t>(digit)];
    list.end = 0;
    list.start.resize(std::max(list.start.size(), starts));
    for (std::int64_t step = 0; step < steps; ++step) {
      list.cells.resize(std::max(list.cells.size(), list.end + most));
      HWY_DYNAMIC_DISPATCH(FindStep)
      ({counts + step * stride, cells, unit, units_, static_cast<std::uint8_t>(copies ? 0 : 1 << digit),
        list.cells.data(), list.start.data() + step * (units_ + 1), &list.end});
    }
  }
}

}  // namespace spikeserve::kernels
#endif
