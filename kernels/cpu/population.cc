#include "kernels/cpu/population.h"

#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/population.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {

// Raw pointers, so that the compiler sees loops over arrays.
template <typename Sum>
void ScaleSums(std::size_t n, const Sum* sums, const float* scale, float* currents) {
  for (std::size_t j = 0; j < n; ++j) {
    currents[j] = static_cast<float>(sums[j]) * scale[j];
  }
}

void ScaleNarrow(std::size_t n, const std::int32_t* sums, const float* scale, float* currents) {
  ScaleSums(n, sums, scale, currents);
}
void ScaleWide(std::size_t n, const std::int64_t* sums, const float* scale, float* currents) {
  ScaleSums(n, sums, scale, currents);
}
void ScaleFloats(std::size_t n, const float* sums, const float* scale, float* currents) {
  ScaleSums(n, sums, scale, currents);
}

void ScaleHalves(std::size_t n, const std::int32_t* low, const std::int32_t* high, const float* scale,
                 float* currents) {
  for (std::size_t j = 0; j < n; ++j) {
    const auto upper = static_cast<float>(high[j] + (low[j] >> 16));  // below 2^24: exact
    currents[j] = __builtin_fmaf(upper, 65536.0F, static_cast<float>(low[j] & 0xffff)) * scale[j];
  }
}

void Filter(std::size_t n, const float* __restrict currents, float decay, float* __restrict filter,
            float* __restrict sum) {
  for (std::size_t j = 0; j < n; ++j) {
    sum[j] = sum[j] + filter[j];
    filter[j] = __builtin_fmaf(decay, filter[j], currents[j]);
  }
}

void AddTo(std::size_t n, const float* currents, float* sum) {
  for (std::size_t j = 0; j < n; ++j) {
    sum[j] = sum[j] + currents[j];
  }
}

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeserve::kernels {

HWY_EXPORT(ScaleNarrow);
HWY_EXPORT(ScaleWide);
HWY_EXPORT(ScaleFloats);
HWY_EXPORT(ScaleHalves);
HWY_EXPORT(Filter);
HWY_EXPORT(AddTo);

void Scale(std::span<const std::int32_t> sums, std::span<const float> scale, std::span<float> currents) {
  HWY_DYNAMIC_DISPATCH(ScaleNarrow)(sums.size(), sums.data(), scale.data(), currents.data());
}

void Scale(std::span<const std::int64_t> sums, std::span<const float> scale, std::span<float> currents) {
  HWY_DYNAMIC_DISPATCH(ScaleWide)(sums.size(), sums.data(), scale.data(), currents.data());
}

void Scale(std::span<const float> sums, std::span<const float> scale, std::span<float> currents) {
  HWY_DYNAMIC_DISPATCH(ScaleFloats)(sums.size(), sums.data(), scale.data(), currents.data());
}

void Scale(std::span<const std::int32_t> low, std::span<const std::int32_t> high,
           std::span<const float> scale, std::span<float> currents) {
  HWY_DYNAMIC_DISPATCH(ScaleHalves)(currents.size(), low.data(), high.data(), scale.data(), currents.data());
}

void AddFiltered(std::span<const float> currents, float decay, std::span<float> filter,
                 std::span<float> sum) {
  HWY_DYNAMIC_DISPATCH(Filter)(sum.size(), currents.data(), decay, filter.data(), sum.data());
}

void Add(std::span<const float> currents, std::span<float> sum) {
  HWY_DYNAMIC_DISPATCH(AddTo)(sum.size(), currents.data(), sum.data());
}

}  // namespace spikeserve::kernels
#endif
