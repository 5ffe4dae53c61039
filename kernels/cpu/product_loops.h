#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/math/product_blocks.h"

// The loops of product.cc. They are inlined into one function for each instruction set, and stand outside of
// what is compiled for any of them, so that the compiler may inline them and their lambdas everywhere.
namespace spikeserve::kernels {

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

inline __attribute__((always_inline)) void AccumulateFloats(const Product& product, const float* weights,
                                                            const float* cells, float* sums) {
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

}  // namespace spikeserve::kernels
