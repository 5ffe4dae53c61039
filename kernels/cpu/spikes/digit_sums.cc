#include "kernels/cpu/spikes/digit_sums.h"

#include <algorithm>
#include <cstring>

#ifndef SPIKESERVE_DIGIT_SLICE
#define SPIKESERVE_DIGIT_SLICE
namespace spikeserve::kernels {
namespace {

// One slice of DigitWeights.
struct DigitSlice {
  const std::int8_t* weights;
  std::int64_t segments;
  std::int64_t groups;  // of a segment
};

using UsedGroups = std::span<const std::int32_t>;

}  // namespace
}  // namespace spikeserve::kernels
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/spikes/digit_sums.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/cpu/spikes/digit_pairs-inl.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using IntTag = hn::CappedTag<std::int32_t, 16>;
using Int = hn::Vec<IntTag>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(IntTag()));

bool HasInstructions() { return HWY_TARGET == HWY_AVX3_DL; }
std::int64_t MostRows() { return HasInstructions() ? INT32_MAX : SPIKESERVE_DIGIT_PAIRS ? 512 : 0; }
// Without VNNI two products with a digit must stay below 2^15.
std::int64_t MostCount() { return HasInstructions() ? 255 : 127; }

// Writes the sum of digit sums for kLanes outputs.
HWY_INLINE void StoreSum(Int s0, Int s1, Int s2, const DigitJob& job, std::int64_t at) {
  const IntTag d;
  if (job.high == nullptr) {
    const Int upper = hn::Add(hn::ShiftLeft<8>(s1), hn::ShiftLeft<16>(s2));
    hn::StoreU(hn::Add(s0, upper), d, job.sums + at);
    return;
  }
  const Int low = hn::Add(hn::And(s0, hn::Set(d, 0xffff)), hn::ShiftLeft<8>(hn::And(s1, hn::Set(d, 0xff))));
  hn::StoreU(low, d, job.sums + at);
  hn::StoreU(hn::Add(s2, hn::Add(hn::ShiftRight<16>(s0), hn::ShiftRight<8>(s1))), d, job.high + at);
}

#if HWY_TARGET == HWY_AVX3_DL

// Adds the products of four unsigned and four signed bytes to each lane. Such machines have the instruction,
// but Highway 1.0.3 does not tell the compiler.
HWY_INLINE void AddProducts(__m512i counts, __m512i weights, __m512i& sums) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(counts), "v"(weights));
}

// kSteps steps from `step` on.
template <int kDigits, int kSteps>
HWY_INLINE void SumSteps(const DigitSlice& slice, const DigitJob& job, std::int64_t step) {
  __m512i sums[kSteps][3];
  for (int s = 0; s < kSteps; ++s) {
    for (int digit = 0; digit < 3; ++digit) {
      sums[s][digit] = _mm512_setzero_si512();
    }
  }
  const std::int8_t* weights = slice.weights;
  for (std::int64_t segment = 0; segment < slice.segments; ++segment) {
    const std::uint8_t* cells = job.cells + step * job.cell_stride + segment * job.segment_stride;
    for (std::int64_t g = 0; g < slice.groups; ++g, cells += kDigitCells, weights += kDigits * 64) {
      __m512i rows[kDigits];
      for (int digit = 0; digit < kDigits; ++digit) {
        rows[digit] = _mm512_load_si512(weights + digit * 64);
      }
      for (int s = 0; s < kSteps; ++s) {
        std::int32_t counts;
        std::memcpy(&counts, cells + s * job.cell_stride, sizeof(counts));
        const __m512i all = _mm512_set1_epi32(counts);
        for (int digit = 0; digit < kDigits; ++digit) {
          AddProducts(all, rows[digit], sums[s][digit]);
        }
      }
    }
  }
  for (int s = 0; s < kSteps; ++s) {
    StoreSum(Int{sums[s][0]}, Int{sums[s][1]}, Int{sums[s][2]}, job, (step + s) * job.stride);
  }
}

// Sums of kSteps steps. No array: GCC 12 would keep it in memory.
template <int kDigits, int kSteps>
struct StepSums {
  __m512i low, middle, high;
  StepSums<kDigits, kSteps - 1> others;

  HWY_INLINE void Clear() {
    low = middle = high = _mm512_setzero_si512();
    others.Clear();
  }

  HWY_INLINE void Add(__m512i low_row, __m512i middle_row, __m512i high_row, const std::uint8_t* cells,
                      std::int64_t stride) {
    std::int32_t counts;
    std::memcpy(&counts, cells, sizeof(counts));
    const __m512i all = _mm512_set1_epi32(counts);
    AddProducts(all, low_row, low);
    if (kDigits > 1) {
      AddProducts(all, middle_row, middle);
    }
    if (kDigits > 2) {
      AddProducts(all, high_row, high);
    }
    others.Add(low_row, middle_row, high_row, cells + stride, stride);
  }

  HWY_INLINE void Store(const DigitJob& job, std::int64_t at) const {
    StoreSum(Int{low}, Int{middle}, Int{high}, job, at);
    others.Store(job, at + job.stride);
  }
};

template <int kDigits>
struct StepSums<kDigits, 0> {
  HWY_INLINE void Clear() {}
  HWY_INLINE void Add(__m512i, __m512i, __m512i, const std::uint8_t*, std::int64_t) {}
  HWY_INLINE void Store(const DigitJob&, std::int64_t) const {}
};

// The used groups of kSteps steps.
template <int kDigits, int kSteps>
HWY_INLINE void SumUsed(const DigitSlice& slice, const DigitJob& job, UsedGroups used) {
  StepSums<kDigits, kSteps> sums;
  sums.Clear();
  for (const std::int32_t group : used) {
    const std::int8_t* weights = slice.weights + std::int64_t{group} * kDigits * 64;
    sums.Add(_mm512_load_si512(weights), _mm512_load_si512(weights + (kDigits > 1 ? 64 : 0)),
             _mm512_load_si512(weights + (kDigits - 1) * 64), job.cells + std::int64_t{group} * kDigitCells,
             job.cell_stride);
  }
  sums.Store(job, 0);
}

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

// Steps are summed up to eight at a time, and about as many each time: few would wait for each other's sums.
template <int kDigits>
void SumAll(const DigitSlice& slice, const DigitJob& job) {
  constexpr std::int64_t kMost = 8;
  const std::int64_t parts = (job.steps + kMost - 1) / kMost;
  for (std::int64_t part = 0; part < parts; ++part) {
    const std::int64_t step = job.steps * part / parts;
    switch (job.steps * (part + 1) / parts - step) {
      case 1: SumSteps<kDigits, 1>(slice, job, step); break;
      case 2: SumSteps<kDigits, 2>(slice, job, step); break;
      case 3: SumSteps<kDigits, 3>(slice, job, step); break;
      case 4: SumSteps<kDigits, 4>(slice, job, step); break;
      case 5: SumSteps<kDigits, 5>(slice, job, step); break;
      case 6: SumSteps<kDigits, 6>(slice, job, step); break;
      case 7: SumSteps<kDigits, 7>(slice, job, step); break;
      default: SumSteps<kDigits, 8>(slice, job, step);
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
  constexpr int kStepsAtOnce = kLanes == 16 ? 4 : 1;  // whose sums the registers hold
  std::int64_t step = 0;
  for (; step + kStepsAtOnce <= job.steps; step += kStepsAtOnce) {
    SumPairs<kDigits, kStepsAtOnce>(slice, job, step, most);
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
