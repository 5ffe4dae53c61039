// Products of counts and digits of weights where the processor adds them up in pairs only, in 16 bits.
#if defined(SPIKESERVE_DIGIT_PAIRS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef SPIKESERVE_DIGIT_PAIRS_INL_H
#undef SPIKESERVE_DIGIT_PAIRS_INL_H
#else
#define SPIKESERVE_DIGIT_PAIRS_INL_H
#endif

#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "kernels/cpu/spikes/digit_sums.h"

// Whether the target in force is one for them: with shorter vectors, going from spike to spike is faster.
#undef SPIKESERVE_DIGIT_PAIRS
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
#define SPIKESERVE_DIGIT_PAIRS 1
#else
#define SPIKESERVE_DIGIT_PAIRS 0
#endif

#if SPIKESERVE_DIGIT_PAIRS
HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Products of unsigned and signed bytes, summed in pairs; and pairs of these sums.
#if HWY_TARGET == HWY_AVX3
HWY_INLINE __m512i MulPairs(__m512i counts, __m512i weights) { return _mm512_maddubs_epi16(counts, weights); }
HWY_INLINE __m512i AddPairs(__m512i sums) { return _mm512_madd_epi16(sums, _mm512_set1_epi16(1)); }
#else
HWY_INLINE __m256i MulPairs(__m256i counts, __m256i weights) { return _mm256_maddubs_epi16(counts, weights); }
HWY_INLINE __m256i AddPairs(__m256i sums) { return _mm256_madd_epi16(sums, _mm256_set1_epi16(1)); }
#endif

// Sums of 16 bits of some steps, for kLaneUnit outputs, added up to sums of 32 bits before they might pass
// their range.
template <typename IntTag, int kDigits, int kSteps>
struct PairSums {
  using Int = hn::Vec<IntTag>;
  using ShortTag = hn::Repartition<std::int16_t, IntTag>;
  static constexpr int kLanes = static_cast<int>(hn::MaxLanes(IntTag()));
  static constexpr int kVectors = static_cast<int>(kLaneUnit) / kLanes;

  Int totals[kSteps][3][kVectors];
  hn::Vec<ShortTag> pairs[kSteps][kDigits][kVectors];

  HWY_INLINE void Clear() {
    for (int i = 0; i < kSteps * 3 * kVectors; ++i) {
      totals[i / (3 * kVectors)][i / kVectors % 3][i % kVectors] = hn::Zero(IntTag());
    }
    ClearPairs();
  }

  // `groups` groups, few enough for 16 bits; the next steps' cells lie `stride` further.
  HWY_INLINE void Add(const std::uint8_t* cells, std::int64_t stride, const std::int8_t* weights,
                      std::int64_t groups) {
    const hn::Repartition<std::int8_t, IntTag> bytes;
    constexpr std::int64_t kOfDigit = kLaneUnit * kDigitCells;
    for (std::int64_t g = 0; g < groups; ++g, cells += kDigitCells, weights += kDigits * kOfDigit) {
      Int counts[kSteps];
      for (int s = 0; s < kSteps; ++s) {
        std::int32_t four;
        std::memcpy(&four, cells + s * stride, sizeof(four));
        counts[s] = hn::Set(IntTag(), four);
      }
      for (int i = 0; i < kDigits * kVectors; ++i) {
        const auto row = hn::Load(bytes, weights + i * kLanes * kDigitCells);
        for (int s = 0; s < kSteps; ++s) {
          auto& sum = pairs[s][i / kVectors][i % kVectors];
          sum = hn::Add(sum, hn::Vec<ShortTag>{MulPairs(counts[s].raw, row.raw)});
        }
      }
    }
  }

  HWY_INLINE void AddUp() {
    for (int i = 0; i < kSteps * kDigits * kVectors; ++i) {
      const int s = i / (kDigits * kVectors), digit = i / kVectors % kDigits, v = i % kVectors;
      totals[s][digit][v] = hn::Add(totals[s][digit][v], Int{AddPairs(pairs[s][digit][v].raw)});
    }
    ClearPairs();
  }

 private:
  HWY_INLINE void ClearPairs() {
    for (int i = 0; i < kSteps * kDigits * kVectors; ++i) {
      pairs[i / (kDigits * kVectors)][i / kVectors % kDigits][i % kVectors] = hn::Zero(ShortTag());
    }
  }
};

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

#endif
