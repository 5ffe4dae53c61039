#include "kernels/cpu/group_product.h"

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
constexpr std::int64_t kBlockWidth = kVectors<T>* kLanes<T> > kLaneUnit ? kVectors<T>* kLanes<T> : kLaneUnit;

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
  const std::int64_t padded = PackedWeights<T>::Padded(block.width);
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

void RunFloat(const GroupBlock<float>& block) { SumSamples<float, kProductGroup>(block); }
void RunDouble(const GroupBlock<double>& block) { SumSamples<double, kProductGroup>(block); }

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeserve::kernels {

HWY_EXPORT(RunFloat);
HWY_EXPORT(RunDouble);
HWY_EXPORT(FloatBlockWidth);
HWY_EXPORT(DoubleBlockWidth);

std::int64_t FloatProductBlockWidth() { return HWY_DYNAMIC_DISPATCH(FloatBlockWidth)(); }
std::int64_t DoubleProductBlockWidth() { return HWY_DYNAMIC_DISPATCH(DoubleBlockWidth)(); }

void GroupProduct(const GroupBlock<float>& block) { HWY_DYNAMIC_DISPATCH(RunFloat)(block); }
void GroupProduct(const GroupBlock<double>& block) { HWY_DYNAMIC_DISPATCH(RunDouble)(block); }

}  // namespace spikeserve::kernels
#endif
