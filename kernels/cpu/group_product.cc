#include "kernels/cpu/group_product.h"

#include <algorithm>
#include <bit>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/group_product.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <typename T>
using Tag = hn::CappedTag<T, 64 / sizeof(T)>;
template <typename T>
constexpr int kLanes = static_cast<int>(hn::MaxLanes(Tag<T>()));

// Sums of a block for all samples of a group stay in registers: 32 of 512 bits hold 24 sums, 16 of 256
// bits 12.
template <typename T>
constexpr int kVectors = sizeof(T) * kLanes<T> == 64 ? 4 : 2;
template <typename T>
constexpr std::int64_t kBlockWidth = kVectors<T> * kLanes<T> > kLaneUnit ? kVectors<T>* kLanes<T> : kLaneUnit;

std::int64_t FloatBlockWidth() { return kBlockWidth<float>; }
std::int64_t DoubleBlockWidth() { return kBlockWidth<double>; }

// fma(a, b, c) with one rounding, also where vectors have none.
template <typename T, class V>
HWY_INLINE V Fma(V a, V b, V c) {
#if HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_SSE4
  const Tag<T> d;
  HWY_ALIGN T x[kLanes<T>], y[kLanes<T>], z[kLanes<T>];
  hn::Store(a, d, x);
  hn::Store(b, d, y);
  hn::Store(c, d, z);
  for (int i = 0; i < kLanes<T>; ++i) {
    z[i] = std::fma(x[i], y[i], z[i]);
  }
  return hn::Load(d, z);
#else
  return hn::MulAdd(a, b, c);
#endif
}

// Sums of kWide vectors of outputs from `first` on, of kSamples samples.
template <typename T, int kWide, int kSamples>
HWY_NOINLINE void Sum(const GroupBlock<T>& block, std::int64_t first) {
  const Tag<T> d;
  const std::int64_t padded = PadLanes(block.width);
  hn::Vec<Tag<T>> sums[kSamples][kWide];
  const T* cells[kSamples];
  for (int s = 0; s < kSamples; ++s) {
    cells[s] = block.cells[static_cast<std::size_t>(s)];
    for (int i = 0; i < kWide; ++i) {
      sums[s][i] = hn::Zero(d);
    }
  }
  for (const CellRange& range : block.ranges) {
    const T* row = block.weights + range.row * padded + first;
    for (std::int64_t cell = range.cell; cell < range.cell + range.length; ++cell, row += padded) {
      hn::Vec<Tag<T>> weights[kWide];
      for (int i = 0; i < kWide; ++i) {
        weights[i] = hn::LoadU(d, row + i * kLanes<T>);
      }
      for (int s = 0; s < kSamples; ++s) {
        const auto value = hn::Set(d, cells[s][cell]);
        for (int i = 0; i < kWide; ++i) {
          sums[s][i] = Fma<T>(weights[i], value, sums[s][i]);
        }
      }
    }
  }
  for (int s = 0; s < kSamples; ++s) {
    T buffer[kWide * kLanes<T>];
    for (int i = 0; i < kWide; ++i) {
      hn::StoreU(sums[s][i], d, buffer + i * kLanes<T>);
    }
    const std::int64_t count = std::min<std::int64_t>(kWide * kLanes<T>, block.width - first);
    std::copy_n(buffer, count, block.sums[static_cast<std::size_t>(s)] + first);
  }
}

template <typename T, int kSamples>
void SumSamples(const GroupBlock<T>& block) {
  if constexpr (kSamples > 1) {
    if (static_cast<int>(block.cells.size()) < kSamples) {
      return SumSamples<T, kSamples - 1>(block);
    }
  }
  std::int64_t first = 0;
  for (; block.width - first > (kVectors<T> - 1) * kLanes<T>; first += kVectors<T> * kLanes<T>) {
    Sum<T, kVectors<T>, kSamples>(block, first);
  }
  for (; first < block.width; first += kLanes<T>) {
    Sum<T, 1, kSamples>(block, first);
  }
}

// One bit per cell of [first, first + 64): whether some sample has a value there.
template <typename T>
HWY_INLINE std::uint64_t UsedBits(std::span<const T* const> cells, std::int64_t first) {
  const Tag<T> d;
  std::uint64_t used = 0;
  for (int at = 0; at < 64; at += kLanes<T>) {
    auto any = hn::Zero(d);
    for (const T* const sample : cells) {  // -0 is 0: what is or-ed has no sign
      any = hn::Or(any, hn::Abs(hn::LoadU(d, sample + first + at)));
    }
    std::uint64_t bits = 0;
    const hn::RebindToUnsigned<Tag<T>> words;  // as numbers, bits that are or-ed may be none
    const auto none = hn::Zero(words);
    hn::StoreMaskBits(words, hn::Ne(hn::BitCast(words, any), none), reinterpret_cast<std::uint8_t*>(&bits));
    used |= bits << at;
  }
  return used;
}

template <typename T>
void FindUsed(std::span<const T* const> cells, std::int64_t count, std::vector<CellRange>& ranges) {
  ranges.clear();
  std::int64_t begin = -1;  // of the run that reaches up to here
  const auto end_run = [&](std::int64_t end) {
    ranges.push_back({static_cast<std::int32_t>(begin), static_cast<std::int32_t>(end - begin),
                      static_cast<std::int32_t>(begin), 0, 0});
    begin = -1;
  };
  std::int64_t first = 0;
  for (; first + 64 <= count; first += 64) {
    const std::uint64_t used = UsedBits(cells, first);
    for (int at = 0; at < 64;) {
      const std::uint64_t rest = (begin < 0 ? used : ~used) >> at;  // where a run begins, or ends
      if (rest == 0) {
        break;
      }
      at += std::countr_zero(rest);
      if (begin < 0) {
        begin = first + at;
      } else {
        end_run(first + at);
      }
    }
  }
  for (; first < count; ++first) {
    const bool used =
        std::any_of(cells.begin(), cells.end(), [first](const T* sample) { return sample[first] != T{0}; });
    if (used && begin < 0) {
      begin = first;
    } else if (!used && begin >= 0) {
      end_run(first);
    }
  }
  if (begin >= 0) {
    end_run(count);
  }
}

void FindUsedFloat(std::span<const float* const> cells, std::int64_t count, std::vector<CellRange>& ranges) {
  FindUsed(cells, count, ranges);
}
void FindUsedDouble(std::span<const double* const> cells, std::int64_t count,
                    std::vector<CellRange>& ranges) {
  FindUsed(cells, count, ranges);
}

void RunFloat(const GroupBlock<float>& block) { SumSamples<float, kProductGroup>(block); }
void RunDouble(const GroupBlock<double>& block) { SumSamples<double, kProductGroup>(block); }

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeserve::kernels {

HWY_EXPORT(RunFloat);
HWY_EXPORT(RunDouble);
HWY_EXPORT(FindUsedFloat);
HWY_EXPORT(FindUsedDouble);
HWY_EXPORT(FloatBlockWidth);
HWY_EXPORT(DoubleBlockWidth);

std::int64_t FloatProductBlockWidth() { return HWY_DYNAMIC_DISPATCH(FloatBlockWidth)(); }
std::int64_t DoubleProductBlockWidth() { return HWY_DYNAMIC_DISPATCH(DoubleBlockWidth)(); }

void GroupProduct(const GroupBlock<float>& block) { HWY_DYNAMIC_DISPATCH(RunFloat)(block); }
void GroupProduct(const GroupBlock<double>& block) { HWY_DYNAMIC_DISPATCH(RunDouble)(block); }

void FindUsedCells(std::span<const float* const> cells, std::int64_t count, std::vector<CellRange>& ranges) {
  HWY_DYNAMIC_DISPATCH(FindUsedFloat)(cells, count, ranges);
}
void FindUsedCells(std::span<const double* const> cells, std::int64_t count, std::vector<CellRange>& ranges) {
  HWY_DYNAMIC_DISPATCH(FindUsedDouble)(cells, count, ranges);
}

}  // namespace spikeserve::kernels
#endif
