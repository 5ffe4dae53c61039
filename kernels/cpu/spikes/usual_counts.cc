#include "kernels/cpu/spikes/usual_counts.h"

#include <algorithm>
#include <cstdlib>

#include "kernels/cpu/spikes/event_list.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/spikes/usual_counts.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using ByteTag = hn::CappedTag<std::uint8_t, 64>;
using ShortTag = hn::CappedTag<std::uint16_t, 32>;
using HalfTag = hn::Rebind<std::uint8_t, ShortTag>;  // as many bytes
constexpr std::int64_t kBytes = hn::MaxLanes(ByteTag());
constexpr std::int64_t kShorts = hn::MaxLanes(ShortTag());

// Writes up to a vector behind the last cell.
void Find(const std::uint8_t* counts, std::int64_t stride, std::int64_t steps, std::int64_t cells,
          std::int32_t largest, std::uint8_t* usual) {
  const ShortTag d;
  const HalfTag half;
  for (std::int64_t cell = 0; cell < cells; cell += kShorts) {
    auto sum = hn::Zero(d);
    for (std::int64_t step = 0; step < steps; ++step) {
      sum = hn::Add(sum, hn::PromoteTo(d, hn::LoadU(half, counts + step * stride + cell)));
    }
    auto mean = hn::Zero(d);  // n from (n - 1/2) * steps on
    for (std::int32_t n = 1; n <= largest; ++n) {
      const auto least = hn::Set(d, static_cast<std::uint16_t>(((2 * n - 1) * steps + 1) / 2));
      mean =
          hn::Add(mean, hn::IfThenElseZero(hn::Eq(hn::Max(sum, least), sum), hn::Set(d, std::uint16_t{1})));
    }
    const hn::RebindToSigned<ShortTag> signed_d;
    hn::StoreU(hn::DemoteTo(half, hn::BitCast(signed_d, mean)), half, usual + cell);
  }
}

std::int64_t Sum(const std::uint8_t* counts, std::int64_t stride, std::int64_t steps, std::int64_t cells,
                 const std::uint8_t* usual) {
  const ByteTag d;
  const hn::Repartition<std::uint64_t, ByteTag> sums;
  auto total = hn::Zero(sums);
  std::int64_t rest = 0;
  for (std::int64_t step = 0; step < steps; ++step) {
    const std::uint8_t* of_step = counts + step * stride;
    std::int64_t cell = 0;
    for (; cell + kBytes <= cells; cell += kBytes) {
      const auto now = hn::LoadU(d, of_step + cell), mean = hn::LoadU(d, usual + cell);
      total = hn::Add(total, hn::SumsOf8(hn::Or(hn::SaturatedSub(now, mean), hn::SaturatedSub(mean, now))));
    }
    for (; cell < cells; ++cell) {
      rest += std::abs(of_step[cell] - usual[cell]);
    }
  }
  return rest + static_cast<std::int64_t>(hn::GetLane(hn::SumOfLanes(sums, total)));
}

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeserve::kernels {

HWY_EXPORT(Find);
HWY_EXPORT(Sum);

void FindUsualCounts(const std::uint8_t* counts, std::int64_t stride, std::int64_t steps, std::int64_t cells,
                     std::int32_t largest, std::vector<std::uint8_t>& usual) {
  usual.resize(std::max(usual.size(), static_cast<std::size_t>(cells + kCountPadding)));
  HWY_DYNAMIC_DISPATCH(Find)(counts, stride, steps, cells, largest, usual.data());
}

std::int64_t SumChanges(const std::uint8_t* counts, std::int64_t stride, std::int64_t steps,
                        std::int64_t cells, const std::uint8_t* usual) {
  return HWY_DYNAMIC_DISPATCH(Sum)(counts, stride, steps, cells, usual);
}

}  // namespace spikeserve::kernels
#endif
