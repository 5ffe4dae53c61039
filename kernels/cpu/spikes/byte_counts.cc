#include "kernels/cpu/spikes/byte_counts.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <numeric>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/spikes/byte_counts.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using ByteTag = hn::CappedTag<std::uint8_t, 64>;
constexpr std::size_t kLanes = hn::MaxLanes(ByteTag());

std::int64_t Ones(const std::uint8_t* values, std::size_t count) {
  const ByteTag d;
  const hn::Repartition<std::uint64_t, ByteTag> sums;
  auto total = hn::Zero(sums);
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    total = hn::Add(total, hn::SumsOf8(hn::PopulationCount(hn::LoadU(d, values + i))));
  }
  auto ones = static_cast<std::int64_t>(hn::GetLane(hn::SumOfLanes(sums, total)));
  for (; i < count; ++i) {
    ones += std::popcount(values[i]);
  }
  return ones;
}

std::int64_t Sum(const std::uint8_t* values, std::size_t count) {
  const ByteTag d;
  const hn::Repartition<std::uint64_t, ByteTag> sums;
  auto total = hn::Zero(sums);
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    total = hn::Add(total, hn::SumsOf8(hn::LoadU(d, values + i)));
  }
  return std::accumulate(values + i, values + count,
                         static_cast<std::int64_t>(hn::GetLane(hn::SumOfLanes(sums, total))));
}

std::int64_t NonZero(const std::uint8_t* values, std::size_t count) {
  const ByteTag d;
  std::int64_t found = 0;
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    found += static_cast<std::int64_t>(hn::CountTrue(d, hn::Ne(hn::LoadU(d, values + i), hn::Zero(d))));
  }
  for (; i < count; ++i) {
    found += values[i] != 0 ? 1 : 0;
  }
  return found;
}

std::uint8_t Largest(const std::uint8_t* values, std::size_t count) {
  const ByteTag d;
  auto all = hn::Zero(d);
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    all = hn::Max(all, hn::LoadU(d, values + i));
  }
  HWY_ALIGN std::uint8_t lanes[kLanes];
  hn::Store(all, d, lanes);
  const std::uint8_t largest = *std::max_element(lanes, lanes + kLanes);
  return i < count ? std::max(largest, *std::max_element(values + i, values + count)) : largest;
}

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeserve::kernels {

HWY_EXPORT(Ones);
HWY_EXPORT(Sum);
HWY_EXPORT(NonZero);
HWY_EXPORT(Largest);

std::int64_t CountOnes(std::span<const std::uint8_t> values) {
  return HWY_DYNAMIC_DISPATCH(Ones)(values.data(), values.size());
}

std::int64_t SumBytes(std::span<const std::uint8_t> values) {
  return HWY_DYNAMIC_DISPATCH(Sum)(values.data(), values.size());
}

std::int64_t CountNonZero(std::span<const std::uint8_t> values) {
  return HWY_DYNAMIC_DISPATCH(NonZero)(values.data(), values.size());
}

std::uint8_t LargestByte(std::span<const std::uint8_t> values) {
  return HWY_DYNAMIC_DISPATCH(Largest)(values.data(), values.size());
}

}  // namespace spikeserve::kernels
#endif
