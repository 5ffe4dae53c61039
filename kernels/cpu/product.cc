#include "kernels/cpu/product.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/dispatch.h"
#include "kernels/math/product_blocks.h"

namespace spikeserve::kernels {
namespace {

template <typename Sum>
inline __attribute__((always_inline)) void AccumulateIntegers(const Product& product,
                                                              const std::int32_t* cells, Sum* sums) {
  const std::int32_t* weights = product.integers.data();
  if (product.kind == ProductKind::kSparse) {
    for (std::int64_t k = 0; k < product.in; ++k) {
      if (cells[k] == 0) {
        continue;
      }
      const auto end = product.sparse_start[static_cast<std::size_t>(k + 1)];
      for (auto e = product.sparse_start[static_cast<std::size_t>(k)]; e < end; ++e) {
        sums[product.sparse_row[static_cast<std::size_t>(e)]] += static_cast<Sum>(weights[e]) * cells[k];
      }
    }
    return;
  }
  ForEachBlock(
      product, cells,
      [&](std::int64_t weight, std::int64_t first, std::int64_t rows, std::int32_t count)
          __attribute__((always_inline)) {
            const std::int32_t* __restrict w = weights + weight;
            Sum* __restrict s = sums + first;
            for (std::int64_t j = 0; j < rows; ++j) {
              s[j] += static_cast<Sum>(w[j]) * count;
            }
          });
}

SPIKESERVE_CPU_CLONES void AccumulateNarrow(const Product& product, const std::int32_t* cells,
                                            std::int32_t* sums) {
  AccumulateIntegers(product, cells, sums);
}

SPIKESERVE_CPU_CLONES void AccumulateWide(const Product& product, const std::int32_t* cells,
                                          std::int64_t* sums) {
  AccumulateIntegers(product, cells, sums);
}

SPIKESERVE_CPU_CLONES void AccumulateFloats(const Product& product, const float* weights, const float* cells,
                                            float* sums) {
  if (product.kind == ProductKind::kSparse) {
    for (std::int64_t k = 0; k < product.in; ++k) {
      const auto end = product.sparse_start[static_cast<std::size_t>(k + 1)];
      for (auto e = product.sparse_start[static_cast<std::size_t>(k)]; e < end; ++e) {
        float& sum = sums[product.sparse_row[static_cast<std::size_t>(e)]];
        sum = std::fma(weights[e], cells[k], sum);
      }
    }
    return;
  }
  // A zero cell would add +0 or -0 to a sum that is never -0: leaving it out changes no bit.
  ForEachBlock(
      product, cells,
      [&](std::int64_t weight, std::int64_t first, std::int64_t rows, float value)
          __attribute__((always_inline)) {
            const float* __restrict w = weights + weight;
            float* __restrict s = sums + first;
            for (std::int64_t j = 0; j < rows; ++j) {
              s[j] = __builtin_fmaf(w[j], value, s[j]);
            }
          });
}

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

void Gather(const GatherSum& gather, std::span<const std::int32_t> source, std::span<std::int32_t> cells) {
  GatherInto(gather, source, cells);
}

void Gather(const GatherSum& gather, std::span<const float> source, std::span<float> cells) {
  GatherInto(gather, source, cells);
}

void Accumulate(const Product& product, std::span<const std::int32_t> cells, std::span<std::int32_t> sums) {
  std::fill(sums.begin(), sums.end(), 0);
  AccumulateNarrow(product, cells.data(), sums.data());
}

void Accumulate(const Product& product, std::span<const std::int32_t> cells, std::span<std::int64_t> sums) {
  std::fill(sums.begin(), sums.end(), 0);
  AccumulateWide(product, cells.data(), sums.data());
}

void Accumulate(const Product& product, std::span<const float> weights, std::span<const float> cells,
                std::span<float> sums) {
  std::fill(sums.begin(), sums.end(), 0.0F);
  AccumulateFloats(product, weights.data(), cells.data(), sums.data());
}

}  // namespace spikeserve::kernels
