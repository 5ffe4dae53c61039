// Products of counts and digits of weights where the processor adds up four of them at once (VNNI), and how
// all targets write sums of digits.
#if defined(SPIKESERVE_DIGIT_VNNI_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef SPIKESERVE_DIGIT_VNNI_INL_H
#undef SPIKESERVE_DIGIT_VNNI_INL_H
#else
#define SPIKESERVE_DIGIT_VNNI_INL_H
#endif

#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "kernels/cpu/spikes/digit_slice.h"
#include "kernels/cpu/spikes/digit_sums.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using IntTag = hn::CappedTag<std::int32_t, 16>;
using Int = hn::Vec<IntTag>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(IntTag()));

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

// Writes the sum of as many digits.
template <int kDigits>
HWY_INLINE void StoreDigits(const __m512i* sums, const DigitJob& job, std::int64_t at) {
  const Int none = hn::Zero(IntTag());
  StoreSum(Int{sums[0]}, kDigits > 1 ? Int{sums[kDigits > 1 ? 1 : 0]} : none,
           kDigits > 2 ? Int{sums[kDigits - 1]} : none, job, at);
}

// The same for this slice and the next.
template <int kDigits, int kSteps>
HWY_INLINE void SumTwoSlices(const DigitSlice& slice, const DigitJob& job, std::int64_t step) {
  __m512i sums[kSteps][2 * kDigits];
  for (int s = 0; s < kSteps; ++s) {
    for (int i = 0; i < 2 * kDigits; ++i) {
      sums[s][i] = _mm512_setzero_si512();
    }
  }
  const std::int8_t* weights = slice.weights;
  const std::int64_t next = slice.segments * slice.groups * kDigits * 64;
  for (std::int64_t segment = 0; segment < slice.segments; ++segment) {
    const std::uint8_t* cells = job.cells + step * job.cell_stride + segment * job.segment_stride;
    for (std::int64_t g = 0; g < slice.groups; ++g, cells += kDigitCells, weights += kDigits * 64) {
      __m512i rows[2 * kDigits];
      for (int digit = 0; digit < kDigits; ++digit) {
        rows[digit] = _mm512_load_si512(weights + digit * 64);
        rows[kDigits + digit] = _mm512_load_si512(weights + next + digit * 64);
      }
      for (int s = 0; s < kSteps; ++s) {
        std::int32_t counts;
        std::memcpy(&counts, cells + s * job.cell_stride, sizeof(counts));
        const __m512i all = _mm512_set1_epi32(counts);
        for (int i = 0; i < 2 * kDigits; ++i) {
          AddProducts(all, rows[i], sums[s][i]);
        }
      }
    }
  }
  for (int s = 0; s < kSteps; ++s) {
    const std::int64_t at = (step + s) * job.stride;
    StoreDigits<kDigits>(sums[s], job, at);
    StoreDigits<kDigits>(sums[s] + kDigits, job, at + kLaneUnit);
  }
}

template <int kDigits, int kSteps>
HWY_INLINE void SumSlices(const DigitSlice& slice, const DigitJob& job, std::int64_t step) {
  if constexpr (kDigits * kSteps < kEnoughSums) {
    if (job.slices == 2) {
      return SumTwoSlices<kDigits, kSteps>(slice, job, step);
    }
  }
  SumSteps<kDigits, kSteps>(slice, job, step);
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

#endif

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
