#include "kernels/cpu/product.h"

#include <algorithm>

#include "kernels/cpu/product_loops.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/product.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace spikeserve::kernels::HWY_NAMESPACE {

void AccumulateNarrow(const Product& product, const std::int32_t* cells, std::int32_t* sums) {
  AccumulateIntegers(product, cells, sums);
}

void AccumulateWide(const Product& product, const std::int32_t* cells, std::int64_t* sums) {
  AccumulateIntegers(product, cells, sums);
}

void AccumulateReals(const Product& product, const float* weights, const float* cells, float* sums) {
  AccumulateFloats(product, weights, cells, sums);
}

}  // namespace spikeserve::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeserve::kernels {
namespace {

template <typename T>
void GatherInto(const GatherSum& gather, std::span<const T> source, std::span<T> cells) {
  if (gather.start.empty()) {
    std::copy(source.begin(), source.end(), cells.begin());
    return;
  }
  for (std::size_t c = 0; c < cells.size(); ++c) {
    T sum{0};
    for (auto e = gather.start[c]; e < gather.start[c + 1]; ++e) {
      sum += source[static_cast<std::size_t>(gather.index[static_cast<std::size_t>(e)])];
    }
    cells[c] = sum;
  }
}

}  // namespace

HWY_EXPORT(AccumulateNarrow);
HWY_EXPORT(AccumulateWide);
HWY_EXPORT(AccumulateReals);

void Gather(const GatherSum& gather, std::span<const std::int32_t> source, std::span<std::int32_t> cells) {
  GatherInto(gather, source, cells);
}

void Gather(const GatherSum& gather, std::span<const float> source, std::span<float> cells) {
  GatherInto(gather, source, cells);
}

void Accumulate(const Product& product, std::span<const std::int32_t> cells, std::span<std::int32_t> sums) {
  std::fill(sums.begin(), sums.end(), 0);
  HWY_DYNAMIC_DISPATCH(AccumulateNarrow)(product, cells.data(), sums.data());
}

void Accumulate(const Product& product, std::span<const std::int32_t> cells, std::span<std::int64_t> sums) {
  std::fill(sums.begin(), sums.end(), 0);
  HWY_DYNAMIC_DISPATCH(AccumulateWide)(product, cells.data(), sums.data());
}

void Accumulate(const Product& product, std::span<const float> weights, std::span<const float> cells,
                std::span<float> sums) {
  std::fill(sums.begin(), sums.end(), 0.0F);
  HWY_DYNAMIC_DISPATCH(AccumulateReals)(product, weights.data(), cells.data(), sums.data());
}

}  // namespace spikeserve::kernels
#endif
