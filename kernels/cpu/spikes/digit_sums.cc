#include "kernels/cpu/spikes/digit_sums.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/spikes/digit_slice.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/spikes/digit_sums.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/cpu/spikes/digit_pairs-inl.h"
#include "kernels/cpu/spikes/digit_vnni-inl.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

bool HasInstructions() { return HWY_TARGET == HWY_AVX3_DL; }
std::int64_t MostRows() { return HasInstructions() ? INT32_MAX : SPIKESERVE_DIGIT_PAIRS ? 512 : 0; }
// Without VNNI two products with a digit must stay below 2^15.
std::int64_t MostCount() { return HasInstructions() ? 255 : 127; }

#if HWY_TARGET == HWY_AVX3_DL

template <int kDigits>
void SumListed(const DigitSlice& slice, const DigitJob& job, UsedGroups used) {
  static_assert(kListedSteps == 4);
  switch (job.steps) {
    case 1: return SumUsed<kDigits, 1>(slice, job, used);
    case 2: return SumUsed<kDigits, 2>(slice, job, used);
    case 3: return SumUsed<kDigits, 3>(slice, job, used);
    default: return SumUsed<kDigits, 4>(slice, job, used);
  }
}

template <int kDigits>
void SumAll(const DigitSlice& slice, const DigitJob& job) {
  const std::int64_t parts = PartsOf(job.steps);
  for (std::int64_t part = 0; part < parts; ++part) {
    const std::int64_t step = job.steps * part / parts;
    switch (job.steps * (part + 1) / parts - step) {
      case 1: SumSlices<kDigits, 1>(slice, job, step); break;
      case 2: SumSlices<kDigits, 2>(slice, job, step); break;
      case 3: SumSlices<kDigits, 3>(slice, job, step); break;
      case 4: SumSlices<kDigits, 4>(slice, job, step); break;
      case 5: SumSlices<kDigits, 5>(slice, job, step); break;
      case 6: SumSlices<kDigits, 6>(slice, job, step); break;
      case 7: SumSlices<kDigits, 7>(slice, job, step); break;
      default: SumSlices<kDigits, 8>(slice, job, step);
    }
  }
}

#else

#if SPIKESERVE_DIGIT_PAIRS

// kSteps steps from `step` on; `most` groups fit the sums of 16 bits.
template <int kDigits, int kSteps>
HWY_NOINLINE void SumPairs(const DigitSlice& slice, const DigitJob& job, std::int64_t step,
                           std::int64_t most) {
  PairSums<IntTag, kDigits, kSteps> sums;
  sums.Clear();
  const std::int8_t* weights = slice.weights;
  std::int64_t room = most;
  for (std::int64_t segment = 0; segment < slice.segments; ++segment) {
    const std::uint8_t* cells = job.cells + step * job.cell_stride + segment * job.segment_stride;
    for (std::int64_t left = slice.groups; left > 0;) {
      const std::int64_t now = std::min(left, room);
      sums.Add(cells, job.cell_stride, weights, now);
      cells += now * kDigitCells;
      weights += now * kDigits * 64;
      left -= now;
      room -= now;
      if (room == 0) {
        sums.AddUp();
        room = most;
      }
    }
  }
  sums.AddUp();
  for (int s = 0; s < kSteps; ++s) {
    for (int v = 0; v < static_cast<int>(kLaneUnit) / kLanes; ++v) {
      StoreSum(sums.totals[s][0][v], sums.totals[s][1][v], sums.totals[s][2][v], job,
               (step + s) * job.stride + v * kLanes);
    }
  }
}

// False where a pair of products might already be too large.
template <int kDigits>
bool SumAllPairs(const DigitSlice& slice, const DigitJob& job) {
  const std::int64_t most = INT16_MAX / std::max<std::int64_t>(2 * 128 * job.largest, 1);
  if (most == 0) {
    return false;
  }
  constexpr int kPairSteps = kLanes == 16 ? 4 : 1;  // whose sums the registers hold
  std::int64_t step = 0;
  for (; step + kPairSteps <= job.steps; step += kPairSteps) {
    SumPairs<kDigits, kPairSteps>(slice, job, step, most);
  }
  for (; step < job.steps; ++step) {
    SumPairs<kDigits, 1>(slice, job, step, most);
  }
  return true;
}

#endif

// The same one by one, where counts are too large or a machine has nothing better, which takes other paths.
template <int kDigits>
void SumAll(const DigitSlice& slice, const DigitJob& job) {
#if SPIKESERVE_DIGIT_PAIRS
  if (SumAllPairs<kDigits>(slice, job)) {
    return;
  }
#endif
  for (std::int64_t step = 0; step < job.steps; ++step) {
    HWY_ALIGN std::int32_t sums[3][kLaneUnit] = {};
    const std::int8_t* weight = slice.weights;
    for (std::int64_t g = 0; g < slice.segments * slice.groups; ++g) {
      const std::uint8_t* cells = job.cells + step * job.cell_stride + g / slice.groups * job.segment_stride +
                                  g % slice.groups * kDigitCells;
      for (int digit = 0; digit < kDigits; ++digit) {
        for (std::int64_t j = 0; j < kLaneUnit; ++j) {
          for (std::int64_t c = 0; c < kDigitCells; ++c) {
            sums[digit][j] += *weight++ * cells[c];
          }
        }
      }
    }
    const IntTag d;
    for (int v = 0; v < kLaneUnit; v += kLanes) {
      StoreSum(hn::Load(d, sums[0] + v), hn::Load(d, sums[1] + v), hn::Load(d, sums[2] + v), job,
               step * job.stride + v);
    }
  }
}

// A group that is not used adds nothing.
template <int kDigits>
void SumListed(const DigitSlice& slice, const DigitJob& job, UsedGroups) {
  SumAll<kDigits>(slice, job);
}

#endif

void ListUsed(const DigitJob& job, std::int64_t groups, std::vector<std::int32_t>& list) {
  const IntTag d;
  const std::size_t before = list.size();
  list.resize(before + static_cast<std::size_t>(groups + kLanes));
  std::int32_t* end = list.data() + before;
  const auto load = [&](const std::uint8_t* cells, std::int64_t count) {
    HWY_ALIGN std::int32_t all[kLanes] = {};
    if (HWY_LIKELY(count >= kLanes)) {
      return hn::BitCast(d, hn::LoadU(hn::Repartition<std::uint8_t, IntTag>(), cells));
    }
    std::memcpy(all, cells, static_cast<std::size_t>(count * kDigitCells));
    return hn::Load(d, all);
  };
  for (std::int64_t group = 0; group < groups; group += kLanes) {
    Int used = hn::Zero(d);
    for (std::int64_t step = 0; step < job.steps; ++step) {
      const std::uint8_t* cells = job.cells + step * job.cell_stride + group * kDigitCells;
      used = hn::Or(used, load(cells, groups - group));
    }
    const auto mask = hn::Ne(used, hn::Zero(d));
    hn::StoreU(hn::Compress(hn::Iota(d, static_cast<std::int32_t>(group)), mask), d, end);
    end += hn::CountTrue(d, mask);
  }
  list.resize(static_cast<std::size_t>(end - list.data()));
}

void ListedOne(const DigitSlice& slice, const DigitJob& job, UsedGroups used) {
  SumListed<1>(slice, job, used);
}
void ListedTwo(const DigitSlice& slice, const DigitJob& job, UsedGroups used) {
  SumListed<2>(slice, job, used);
}
void ListedThree(const DigitSlice& slice, const DigitJob& job, UsedGroups used) {
  SumListed<3>(slice, job, used);
}
void SumOne(const DigitSlice& slice, const DigitJob& job) { SumAll<1>(slice, job); }
void SumTwo(const DigitSlice& slice, const DigitJob& job) { SumAll<2>(slice, job); }
void SumThree(const DigitSlice& slice, const DigitJob& job) { SumAll<3>(slice, job); }

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeserve::kernels {

HWY_EXPORT(HasInstructions);
HWY_EXPORT(MostRows);
HWY_EXPORT(MostCount);
HWY_EXPORT(SumOne);
HWY_EXPORT(SumTwo);
HWY_EXPORT(SumThree);
HWY_EXPORT(ListedOne);
HWY_EXPORT(ListedTwo);
HWY_EXPORT(ListedThree);
HWY_EXPORT(ListUsed);

bool HasDigitInstructions() { return HWY_DYNAMIC_DISPATCH(HasInstructions)(); }
std::int64_t MostDigitRows() { return HWY_DYNAMIC_DISPATCH(MostRows)(); }
std::int64_t DigitSlices(const DigitWeights& weights, std::int64_t steps) {
  const std::int64_t parts = std::max<std::int64_t>(PartsOf(steps), 1);
  const std::int64_t sums = (steps + parts - 1) / parts * weights.digits();
  return HasDigitInstructions() && sums < kEnoughSums ? kMostDigitSlices : 1;
}
std::int64_t MostDigitCount() { return HWY_DYNAMIC_DISPATCH(MostCount)(); }

void SumDigits(const DigitWeights& weights, std::int64_t slice, const DigitJob& job) {
  const DigitSlice one{weights.slice(slice), weights.segments(), weights.segment_groups()};
  switch (weights.digits()) {
    case 1: HWY_DYNAMIC_DISPATCH(SumOne)(one, job); break;
    case 2: HWY_DYNAMIC_DISPATCH(SumTwo)(one, job); break;
    default: HWY_DYNAMIC_DISPATCH(SumThree)(one, job);
  }
}

void ListUsedGroups(const DigitJob& job, std::int64_t groups, std::vector<std::int32_t>& list) {
  HWY_DYNAMIC_DISPATCH(ListUsed)(job, groups, list);
}

void SumListedDigits(const DigitWeights& weights, std::int64_t slice, const DigitJob& job, UsedGroups used) {
  const DigitSlice one{weights.slice(slice), weights.segments(), weights.segment_groups()};
  switch (weights.digits()) {
    case 1: HWY_DYNAMIC_DISPATCH(ListedOne)(one, job, used); break;
    case 2: HWY_DYNAMIC_DISPATCH(ListedTwo)(one, job, used); break;
    default: HWY_DYNAMIC_DISPATCH(ListedThree)(one, job, used);
  }
}

DigitWeights::DigitWeights(std::span<const std::int32_t> weights, std::int64_t rows, std::int64_t channels,
                           std::int64_t segments)
    : segments_(segments), groups_(segments * ((rows / segments + kDigitCells - 1) / kDigitCells)) {
  const auto lie = [weights](std::int32_t least, std::int32_t most) {
    return std::all_of(weights.begin(), weights.end(),
                       [=](std::int32_t weight) { return weight >= least && weight <= most; });
  };
  digits_ = lie(-128, 127) ? 1 : (lie(-128 * 256 - 128, 127 * 256 + 127) ? 2 : 3);
  const std::int64_t slices = (channels + kLaneUnit - 1) / kLaneUnit;
  values_.assign(static_cast<std::size_t>(slices * groups_ * digits_ * kDigitCells * kLaneUnit), 0);
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t in_segment = row % (rows / segments);
    const std::int64_t group_of_slice = row / (rows / segments) * segment_groups() + in_segment / kDigitCells;
    for (std::int64_t channel = 0; channel < channels; ++channel) {
      std::int32_t rest = weights[static_cast<std::size_t>(row * channels + channel)];
      const std::int64_t group = channel / kLaneUnit * groups_ + group_of_slice;
      for (int digit = 0; digit < digits_; ++digit) {
        const auto low = static_cast<std::int8_t>(rest & 0xff);
        const std::int64_t at = ((group * digits_ + digit) * kLaneUnit + channel % kLaneUnit) * kDigitCells;
        values_[static_cast<std::size_t>(at + in_segment % kDigitCells)] = low;
        rest = (rest - low) >> 8;
      }
    }
  }
}

}  // namespace spikeserve::kernels
#endif
