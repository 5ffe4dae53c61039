#include "kernels/cuda/digit_product.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>

namespace spikeserve::cuda {

std::int64_t LargestDigitSum(const std::int32_t* weights, std::int64_t depth, std::int64_t width) {
  std::vector<std::int64_t> high(static_cast<std::size_t>(width), 0);
  std::vector<std::int64_t> low(high);
  for (std::int64_t k = 0; k < depth; ++k) {
    for (std::size_t j = 0; j < high.size(); ++j) {
      const Digits digits = SplitDigits(weights[k * width + static_cast<std::int64_t>(j)]);
      high[j] += std::abs(digits.high);
      low[j] += std::abs(digits.low);
    }
  }
  const auto largest = [](const std::vector<std::int64_t>& sums) {
    return sums.empty() ? std::int64_t{0} : *std::max_element(sums.begin(), sums.end());
  };
  return std::max(largest(high), largest(low));
}

int DigitsOf(const std::int32_t* weights, std::int64_t count) {
  return std::all_of(weights, weights + count,
                     [](std::int32_t weight) { return SplitDigits(weight).high == 0; })
             ? 1
             : 2;
}

std::vector<Half> PackDigits(const std::int32_t* weights, std::int64_t depth, std::int64_t width, int count) {
  std::vector<Half> packed(static_cast<std::size_t>(DigitCount(depth, width, count)), Half{0});
  const std::int64_t padded = PadHalves(width);
  for (std::int64_t k = 0; k < depth; ++k) {
    Half* const row = packed.data() + k * count * padded;
    for (std::int64_t j = 0; j < width; ++j) {
      const Digits digits = SplitDigits(weights[k * width + j]);
      if (count == 2) {
        row[j] = HalfOf(digits.high);
      }
      row[(count - 1) * padded + j] = HalfOf(digits.low);
    }
  }
  return packed;
}

}  // namespace spikeserve::cuda
