#include "kernels/cuda/byte_product.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>

namespace spikeserve::cuda {

std::int32_t LargestOf(const std::int32_t* weights, std::int64_t count) {
  std::int32_t largest = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    largest = std::max(largest, std::abs(weights[i]));
  }
  return largest;
}

PackedBytes PackBytes(const std::int32_t* weights, std::int64_t depth, std::int64_t width) {
  PackedBytes packed;
  packed.digits = WeightDigits(LargestOf(weights, depth * width));
  packed.depth = PadBytes(depth);
  packed.width = PadBytes(width);
  packed.bytes.assign(static_cast<std::size_t>(ByteCount(packed.digits, depth, width)), 0);
  for (int d = 0; d < packed.digits; ++d) {
    std::int8_t* const digit = packed.bytes.data() + d * packed.width * packed.depth;
    for (std::int64_t k = 0; k < depth; ++k) {
      for (std::int64_t j = 0; j < width; ++j) {
        digit[j * packed.depth + k] = WeightDigit(weights[k * width + j], d);
      }
    }
  }
  return packed;
}

bool ByteSumsFit(const std::int32_t* weights, std::int64_t depth, std::int64_t width) {
  for (int d = 0; d < kMostWeightDigits; ++d) {
    std::vector<std::int64_t> sums(static_cast<std::size_t>(width), 0);
    for (std::int64_t k = 0; k < depth; ++k) {
      for (std::int64_t j = 0; j < width; ++j) {
        sums[static_cast<std::size_t>(j)] += std::abs(WeightDigit(weights[k * width + j], d));
      }
    }
    for (const std::int64_t sum : sums) {
      if (sum * kMostCountDigit > INT32_MAX) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace spikeserve::cuda
