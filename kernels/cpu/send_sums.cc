#include "kernels/cpu/send_sums.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <iterator>
#include <numeric>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/send_sums.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using LongTag = hn::CappedTag<std::int64_t, kLaneUnit>;
using Long = hn::Vec<LongTag>;
using IntHalf = hn::Rebind<std::int32_t, LongTag>;
using IntTag = hn::CappedTag<std::int32_t, kLaneUnit>;
using Int = hn::Vec<IntTag>;

// 2^16 * high + low of some lanes.
HWY_INLINE Long LoadSum(const std::int32_t* low, const std::int32_t* high) {
  const LongTag d;
  const IntHalf half;
  return hn::Add(hn::PromoteTo(d, hn::LoadU(half, low)),
                 hn::ShiftLeft<16>(hn::PromoteTo(d, hn::LoadU(half, high))));
}

// Sets counts[0, kLaneUnit) of a pixel, in 64 bits.
template <bool kTimes>
class WideLanes {
 public:
  using Tag = hn::RebindToUnsigned<LongTag>;

  explicit WideLanes(const SendJob& job) : job_(job) { std::copy_n(job.shift, kLaneUnit, shift_); }

  HWY_INLINE hn::Vec<Tag> Send(std::int64_t pixel, std::int64_t c) const {
    const LongTag d;
    const Tag du;
    const std::int64_t at = pixel * job_.sum_stride + c;
    Long z = LoadSum(job_.low[0] + at, job_.high[0] + at);
    for (int p = 1; p < job_.planes; ++p) {
      z = hn::Add(z, hn::ShiftLeftSame(LoadSum(job_.low[p] + at, job_.high[p] + at), p * job_.bits));
    }
    if constexpr (kTimes) {
      z = hn::Mul(z, hn::Set(d, job_.times));
    }
    z = hn::Add(z, hn::LoadU(d, job_.base + pixel * job_.base_stride + c));
    z = hn::Max(z, hn::Zero(d));
    return hn::Shr(hn::BitCast(du, z), hn::Load(du, shift_ + c));
  }

 private:
  const SendJob& job_;
  HWY_ALIGN std::uint64_t shift_[kLaneUnit];
};

// The same in halves of 32 bits: Z = 2^16 * high + low with low in [0, 2^16), so that Z / 2^shift is
// high / 2^(shift - 16), or for smaller shifts high * 2^(16 - shift) + low / 2^shift.
template <bool kTimes>
class HalfLanes {
 public:
  using Tag = IntTag;

  HWY_INLINE explicit HalfLanes(const SendJob& job) : job_(job) {
    const IntTag d;
    const Int zero = hn::Zero(d), half = hn::Set(d, 16), most = hn::Set(d, 31);
    for (std::int64_t c = 0; c < kLaneUnit; c += hn::MaxLanes(d)) {
      const Int shift = hn::PromoteTo(d, hn::LoadU(hn::Rebind<std::uint8_t, IntTag>(), job.shift + c));
      hn::Store(hn::Min(hn::Max(hn::Sub(shift, half), zero), most), d, right_ + c);
      hn::Store(hn::Max(hn::Sub(half, shift), zero), d, left_ + c);
      hn::Store(hn::Min(shift, most), d, of_low_ + c);
    }
  }

  HWY_INLINE Int Send(std::int64_t pixel, std::int64_t c) const {
    const IntTag d;
    const Int mask = hn::Set(d, 0xffff);
    const std::int64_t at = pixel * job_.sum_stride + c;
    Int low = hn::LoadU(d, job_.low[0] + at);
    Int high = hn::LoadU(d, job_.high[0] + at);
    if (job_.planes > 1) {
      low = hn::Add(low, hn::ShiftLeftSame(hn::LoadU(d, job_.low[1] + at), job_.bits));
      high = hn::Add(high, hn::ShiftLeftSame(hn::LoadU(d, job_.high[1] + at), job_.bits));
    }
    if constexpr (kTimes) {
      const Int times = hn::Set(d, static_cast<std::int32_t>(job_.times));
      high = hn::Mul(hn::Add(high, hn::ShiftRight<16>(low)), times);
      low = hn::Mul(hn::And(low, mask), times);
    }
    const std::int64_t of_base = pixel * job_.base_stride + c;
    low = hn::Add(low, hn::LoadU(d, job_.halves.low + of_base));
    high = hn::Add(high, hn::LoadU(d, job_.halves.high + of_base));
    high = hn::Add(high, hn::ShiftRight<16>(low));
    const Int upper = hn::Shl(hn::Shr(high, hn::Load(d, right_ + c)), hn::Load(d, left_ + c));
    const Int lower = hn::Shr(hn::And(low, mask), hn::Load(d, of_low_ + c));
    return hn::Max(hn::Add(upper, lower), hn::Zero(d));
  }

 private:
  const SendJob& job_;
  HWY_ALIGN std::int32_t right_[kLaneUnit];
  HWY_ALIGN std::int32_t left_[kLaneUnit];
  HWY_ALIGN std::int32_t of_low_[kLaneUnit];
};

// All bits of all lanes, or a number with as many.
HWY_INLINE std::uint64_t BitsOf(Int seen) {
  return static_cast<std::uint64_t>(hn::GetLane(hn::MaxOfLanes(IntTag(), seen)));
}
HWY_INLINE std::uint64_t BitsOf(hn::Vec<hn::RebindToUnsigned<LongTag>> seen) {
  const hn::RebindToUnsigned<LongTag> du;
  HWY_ALIGN std::uint64_t lanes[hn::MaxLanes(du)];
  hn::Store(seen, du, lanes);
  return std::accumulate(std::begin(lanes), std::end(lanes), std::uint64_t{0}, std::bit_or<>());
}

// Sets to[0, width) of at most as many lanes as `counts` has.
template <typename T>
HWY_INLINE void Put(Int counts, T* to, std::int64_t width) {
  const hn::Rebind<T, IntTag> d;
  const auto all = [&] {
    if constexpr (std::is_same_v<T, std::uint8_t>) {
      return hn::DemoteTo(d, counts);
    } else {
      return counts;
    }
  }();
  if (width >= static_cast<std::int64_t>(hn::MaxLanes(d))) {
    hn::StoreU(all, d, to);
  } else if (width > 0) {
    hn::BlendedStore(all, hn::FirstN(d, static_cast<std::size_t>(width)), d, to);
  }
}
template <typename T>
HWY_INLINE void Put(hn::Vec<hn::RebindToUnsigned<LongTag>> counts, T* to, std::int64_t width) {
  const hn::RebindToUnsigned<LongTag> du;
  constexpr std::int64_t kLanes = hn::MaxLanes(du);
  HWY_ALIGN std::uint64_t each[kLanes];
  hn::Store(counts, du, each);
  for (std::int64_t c = 0; c < std::min(kLanes, width); ++c) {
    to[c] = static_cast<T>(each[c]);
  }
}

template <typename Lanes, typename T>
HWY_INLINE std::uint64_t SendPixels(const SendJob& job, T* HWY_RESTRICT sent) {
  const typename Lanes::Tag d;
  const Lanes lanes(job);
  auto all = hn::Zero(d);
  for (std::int64_t pixel = 0; pixel < job.pixels; ++pixel) {
    T* HWY_RESTRICT to = sent + pixel * job.stride;
    auto seen = hn::Zero(d);
    for (std::int64_t c = 0; c < kLaneUnit; c += hn::MaxLanes(d)) {
      const auto count = lanes.Send(pixel, c);
      seen = hn::Or(seen, count);
      Put(count, to + c, job.width - c);
    }
    all = hn::Or(all, seen);
    if (job.seen != nullptr) {
      job.seen[pixel] = BitsOf(seen);
    }
  }
  return BitsOf(all);
}

template <typename T>
HWY_INLINE std::uint64_t SendAll(const SendJob& job, T* sent) {
  if (job.halves.low != nullptr) {
    return job.times == 1 ? SendPixels<HalfLanes<false>>(job, sent) : SendPixels<HalfLanes<true>>(job, sent);
  }
  return job.times == 1 ? SendPixels<WideLanes<false>>(job, sent) : SendPixels<WideLanes<true>>(job, sent);
}

std::uint64_t SendToBytes(const SendJob& job, std::uint8_t* sent) { return SendAll(job, sent); }
std::uint64_t SendToCounts(const SendJob& job, std::int32_t* sent) { return SendAll(job, sent); }

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeserve::kernels {

HWY_EXPORT(SendToBytes);
HWY_EXPORT(SendToCounts);

bool FitsHalves(int planes, std::int64_t times, double largest_sum, double largest_base, int least_shift) {
  // Two digits of sums, each below 2^20 in their low halves, fit 31 bits; so do 16 bits times `times`.
  constexpr int kMostTimesBits = 14, kMostBits = 46, kMostSentBits = 30;
  const double most = largest_sum + largest_base;
  return planes <= 2 && times >> kMostTimesBits == 0 && most < std::ldexp(1.0, kMostBits) &&
         most < std::ldexp(1.0, kMostSentBits + least_shift);
}

std::uint64_t SendSums(const SendJob& job, std::uint8_t* sent) {
  return HWY_DYNAMIC_DISPATCH(SendToBytes)(job, sent);
}
std::uint64_t SendSums(const SendJob& job, std::int32_t* sent) {
  return HWY_DYNAMIC_DISPATCH(SendToCounts)(job, sent);
}

}  // namespace spikeserve::kernels
#endif
