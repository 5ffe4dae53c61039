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

// Z of one pixel but for its base.
HWY_INLINE void SumPlanes(const SendJob& job, std::int64_t pixel, std::int64_t* __restrict z) {
  const std::int32_t* __restrict low = job.low[0] + pixel * kLaneUnit;
  const std::int32_t* __restrict high = job.high[0] + pixel * kLaneUnit;
  for (std::int64_t c = 0; c < kLaneUnit; ++c) {
    z[c] = low[c] + static_cast<std::int64_t>(high[c]) * 65536;
  }
  for (int p = 1; p < job.planes; ++p) {
    const std::int32_t* __restrict l = job.low[p] + pixel * kLaneUnit;
    const std::int32_t* __restrict h = job.high[p] + pixel * kLaneUnit;
    const std::int64_t unit = std::int64_t{1} << (p * job.bits);
    for (std::int64_t c = 0; c < kLaneUnit; ++c) {
      z[c] += (l[c] + static_cast<std::int64_t>(h[c]) * 65536) * unit;
    }
  }
}

template <bool kTimes, typename T>
HWY_INLINE std::uint64_t SendPixels(const SendJob& job, T* __restrict sent) {
  std::uint64_t seen[kLaneUnit] = {};
  std::uint64_t shift[kLaneUnit];
  for (std::int64_t c = 0; c < kLaneUnit; ++c) {
    shift[c] = c < job.width ? job.shift[c] : 63;
  }
  for (std::int64_t pixel = 0; pixel < job.pixels; ++pixel) {
    HWY_ALIGN std::int64_t z[kLaneUnit];
    HWY_ALIGN T counts[kLaneUnit];
    SumPlanes(job, pixel, z);
    const std::int64_t* __restrict base = job.base + pixel * job.base_stride;
    for (std::int64_t c = 0; c < kLaneUnit; ++c) {
      const std::int64_t v = (kTimes ? z[c] * job.times : z[c]) + base[c];
      const std::uint64_t count = static_cast<std::uint64_t>(v > 0 ? v : 0) >> shift[c];
      seen[c] |= count;
      counts[c] = static_cast<T>(count);
    }
    if (job.width == kLaneUnit) {
      std::copy_n(counts, kLaneUnit, sent + pixel * job.stride);
    } else {
      std::copy_n(counts, job.width, sent + pixel * job.stride);
    }
  }
  std::uint64_t all = 0;
  for (const std::uint64_t one : seen) {
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
