#include "kernels/cpu/memory.h"

#include <algorithm>
#include <cstddef>

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

std::int32_t ChangeEach(const std::int32_t* __restrict now, std::int64_t* __restrict sent,
                        std::int32_t* __restrict counts, std::size_t size) {
  std::int32_t largest = 0;
  for (std::size_t j = 0; j < size; ++j) {
    const std::int32_t change = now[j] - static_cast<std::int32_t>(sent[j]);
    const std::int32_t magnitude = change < 0 ? -change : change;
    counts[j] = change;
    sent[j] = now[j];
    largest = largest > magnitude ? largest : magnitude;
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

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeserve::kernels {

HWY_EXPORT(AddTimesEach);
HWY_EXPORT(AddHalvesEach);
HWY_EXPORT(SendEach);
HWY_EXPORT(ChangeEach);
HWY_EXPORT(SumEach);
HWY_EXPORT(SumBytes);
HWY_EXPORT(TakeEach);
HWY_EXPORT(TakeOfBytes);

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

std::int32_t TakeChange(std::span<const std::int32_t> now, std::span<std::int64_t> sent,
                        std::span<std::int32_t> counts) {
  return HWY_DYNAMIC_DISPATCH(ChangeEach)(now.data(), sent.data(), counts.data(), counts.size());
}

std::int64_t SumMagnitudes(std::span<const std::int32_t> counts) {
  return HWY_DYNAMIC_DISPATCH(SumEach)(counts.data(), counts.size());
}

std::int64_t SumMagnitudes(std::span<const std::uint8_t> counts) {
  return HWY_DYNAMIC_DISPATCH(SumBytes)(counts.data(), counts.size());
}

void TakeDigits(std::span<const std::uint8_t> cells, int shift, int bits, std::uint8_t* digits) {
  HWY_DYNAMIC_DISPATCH(TakeOfBytes)(cells.data(), shift, (1 << bits) - 1, digits, cells.size());
}

void TakeDigits(std::span<const std::int32_t> cells, int shift, int bits, std::uint8_t* digits) {
  HWY_DYNAMIC_DISPATCH(TakeEach)(cells.data(), shift, (1 << bits) - 1, digits, cells.size());
}

}  // namespace spikeserve::kernels
#endif
