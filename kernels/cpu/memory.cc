#include "kernels/cpu/memory.h"

#include <algorithm>
#include <cstddef>

#include "kernels/math/lanes.h"
#include "kernels/math/memory.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/memory.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void AddTimesEach(const std::int64_t* __restrict values, std::int64_t times, std::int64_t* __restrict z,
                  std::size_t size) {
  for (std::size_t j = 0; j < size; ++j) {
    z[j] += times * values[j];
  }
}

void AddHalvesEach(const std::int32_t* __restrict low, const std::int32_t* __restrict high, int shift,
                   std::int64_t* __restrict z, std::size_t size) {
  const std::int64_t unit = std::int64_t{1} << shift;
  for (std::size_t j = 0; j < size; ++j) {
    z[j] += (low[j] + static_cast<std::int64_t>(high[j]) * 65536) * unit;
  }
}

std::int64_t SendEach(const std::int64_t* __restrict z, const std::int64_t* __restrict start,
                      const std::uint8_t* __restrict shift, std::int32_t* __restrict sent, std::size_t size) {
  std::int64_t largest = 0;
  for (std::size_t j = 0; j < size; ++j) {
    const std::int64_t v = z[j] + start[j];
    const auto positive = static_cast<std::uint64_t>(v > 0 ? v : 0);
    const auto count = static_cast<std::int64_t>(positive >> shift[j]);
    largest = largest > count ? largest : count;
    sent[j] = static_cast<std::int32_t>(count);
  }
  return largest;
}

std::int64_t SumEach(const std::int32_t* __restrict counts, std::size_t size) {
  std::int64_t sum = 0;
  for (std::size_t j = 0; j < size; ++j) {
    sum += counts[j] < 0 ? -counts[j] : counts[j];
  }
  return sum;
}

std::int64_t SumBytes(const std::uint8_t* __restrict counts, std::size_t size) {
  std::int64_t sum = 0;
  constexpr std::size_t kAtOnce = std::size_t{1} << 16;  // whose sum fits 32 bits
  for (std::size_t first = 0; first < size; first += kAtOnce) {
    std::uint32_t part = 0;
    for (std::size_t j = first; j < std::min(first + kAtOnce, size); ++j) {
      part += counts[j];
    }
    sum += part;
  }
  return sum;
}

void TakeEach(const std::int32_t* __restrict cells, int shift, std::int32_t mask,
              std::uint8_t* __restrict digits, std::size_t size) {
  for (std::size_t j = 0; j < size; ++j) {
    digits[j] = static_cast<std::uint8_t>((cells[j] >> shift) & mask);
  }
}

void TakeOfBytes(const std::uint8_t* __restrict cells, int shift, std::int32_t mask,
                 std::uint8_t* __restrict digits, std::size_t size) {
  for (std::size_t j = 0; j < size; ++j) {
    digits[j] = static_cast<std::uint8_t>((cells[j] >> shift) & mask);
  }
}

using LongTag = hn::CappedTag<std::int64_t, kLaneUnit>;
using Long = hn::Vec<LongTag>;
using IntHalf = hn::Rebind<std::int32_t, LongTag>;

// 2^16 * high + low of some lanes.
HWY_INLINE Long LoadSum(const std::int32_t* low, const std::int32_t* high) {
  const LongTag d;
  const IntHalf half;
  return hn::Add(hn::PromoteTo(d, hn::LoadU(half, low)),
                 hn::ShiftLeft<16>(hn::PromoteTo(d, hn::LoadU(half, high))));
}

// What neurons [c, c + lanes) of a pixel have sent.
template <bool kTimes>
HWY_INLINE hn::Vec<hn::RebindToUnsigned<LongTag>> SendLanes(const SendJob& job, std::int64_t pixel,
                                                            std::int64_t c, const std::uint64_t* shift) {
  const LongTag d;
  const hn::RebindToUnsigned<LongTag> du;
  const std::int64_t at = pixel * kLaneUnit + c;
  Long z = LoadSum(job.low[0] + at, job.high[0] + at);
  for (int p = 1; p < job.planes; ++p) {
    z = hn::Add(z, hn::ShiftLeftSame(LoadSum(job.low[p] + at, job.high[p] + at), p * job.bits));
  }
  if constexpr (kTimes) {
    z = hn::Mul(z, hn::Set(d, job.times));
  }
  z = hn::Add(z, hn::LoadU(d, job.base + pixel * job.base_stride + c));
  z = hn::Max(z, hn::Zero(d));
  return hn::Shr(hn::BitCast(du, z), hn::Load(du, shift + c));
}

template <bool kTimes, typename T>
HWY_INLINE std::uint64_t SendPixels(const SendJob& job, T* HWY_RESTRICT sent) {
  const hn::RebindToUnsigned<LongTag> du;
  constexpr std::int64_t kLanes = hn::MaxLanes(LongTag());
  HWY_ALIGN std::uint64_t shift[kLaneUnit];
  for (std::int64_t c = 0; c < kLaneUnit; ++c) {
    shift[c] = c < job.width ? job.shift[c] : 63;
  }
  auto seen = hn::Zero(du);
  for (std::int64_t pixel = 0; pixel < job.pixels; ++pixel) {
    HWY_ALIGN std::uint64_t counts[kLaneUnit];
    for (std::int64_t c = 0; c < kLaneUnit; c += kLanes) {
      const auto count = SendLanes<kTimes>(job, pixel, c, shift);
      seen = hn::Or(seen, count);
      hn::Store(count, du, counts + c);
    }
    T* HWY_RESTRICT to = sent + pixel * job.stride;
    if (job.width == kLaneUnit) {
      for (std::int64_t c = 0; c < kLaneUnit; ++c) {
        to[c] = static_cast<T>(counts[c]);
      }
    } else {
      for (std::int64_t c = 0; c < job.width; ++c) {
        to[c] = static_cast<T>(counts[c]);
      }
    }
  }
  HWY_ALIGN std::uint64_t lanes[kLanes];
  hn::Store(seen, du, lanes);
  std::uint64_t all = 0;
  for (const std::uint64_t one : lanes) {
    all |= one;
  }
  return all;
}

std::uint64_t SendToBytes(const SendJob& job, std::uint8_t* sent) {
  return job.times == 1 ? SendPixels<false>(job, sent) : SendPixels<true>(job, sent);
}
std::uint64_t SendToCounts(const SendJob& job, std::int32_t* sent) {
  return job.times == 1 ? SendPixels<false>(job, sent) : SendPixels<true>(job, sent);
}

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeserve::kernels {

HWY_EXPORT(AddTimesEach);
HWY_EXPORT(AddHalvesEach);
HWY_EXPORT(SendEach);
HWY_EXPORT(SumEach);
HWY_EXPORT(SumBytes);
HWY_EXPORT(TakeEach);
HWY_EXPORT(TakeOfBytes);
HWY_EXPORT(SendToBytes);
HWY_EXPORT(SendToCounts);

void AddTimes(std::span<const std::int64_t> values, std::int64_t times, std::span<std::int64_t> z) {
  HWY_DYNAMIC_DISPATCH(AddTimesEach)(values.data(), times, z.data(), z.size());
}

void AddHalves(std::span<const std::int32_t> low, std::span<const std::int32_t> high, int shift,
               std::span<std::int64_t> z) {
  HWY_DYNAMIC_DISPATCH(AddHalvesEach)(low.data(), high.data(), shift, z.data(), z.size());
}

std::int64_t SendRectified(std::span<const std::int64_t> z, std::span<const std::int64_t> start,
                           std::span<const std::uint8_t> shift, std::span<std::int32_t> sent) {
  return HWY_DYNAMIC_DISPATCH(SendEach)(z.data(), start.data(), shift.data(), sent.data(), z.size());
}

std::int64_t SumMagnitudes(std::span<const std::int32_t> counts) {
  return HWY_DYNAMIC_DISPATCH(SumEach)(counts.data(), counts.size());
}

std::int64_t SumMagnitudes(std::span<const std::uint8_t> counts) {
  return HWY_DYNAMIC_DISPATCH(SumBytes)(counts.data(), counts.size());
}

std::uint64_t SendSums(const SendJob& job, std::uint8_t* sent) {
  return HWY_DYNAMIC_DISPATCH(SendToBytes)(job, sent);
}
std::uint64_t SendSums(const SendJob& job, std::int32_t* sent) {
  return HWY_DYNAMIC_DISPATCH(SendToCounts)(job, sent);
}

void TakeDigits(std::span<const std::uint8_t> cells, int shift, int bits, std::uint8_t* digits) {
  HWY_DYNAMIC_DISPATCH(TakeOfBytes)(cells.data(), shift, (1 << bits) - 1, digits, cells.size());
}

void TakeDigits(std::span<const std::int32_t> cells, int shift, int bits, std::uint8_t* digits) {
  HWY_DYNAMIC_DISPATCH(TakeEach)(cells.data(), shift, (1 << bits) - 1, digits, cells.size());
}

}  // namespace spikeserve::kernels
#endif
