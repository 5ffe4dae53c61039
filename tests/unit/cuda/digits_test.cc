// Spike counts as float16, weights as digits, and the bound below which their products are exact.

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/cpu/population.h"
#include "kernels/cpu/product.h"
#include "kernels/cuda/digit_product.h"
#include "tests/support/cuda_devices.h"
#include "tests/support/random.h"

namespace spikeserve::testing {
namespace {

constexpr std::int32_t kMaxWeight = (1 << 21) - 1;

TEST(Half, HoldsEveryCountExactly) {
  for (std::int32_t count = -cuda::kLargestHalfCount; count <= cuda::kLargestHalfCount; ++count) {
    ASSERT_EQ(cuda::Value(cuda::HalfOf(count)), count);
  }
}

TEST(Half, IsIeee) {
  EXPECT_EQ(cuda::HalfOf(0).bits, 0x0000);
  EXPECT_EQ(cuda::HalfOf(1).bits, 0x3c00);
  EXPECT_EQ(cuda::HalfOf(-1).bits, 0xbc00);
  EXPECT_EQ(cuda::HalfOf(3).bits, 0x4200);
  EXPECT_EQ(cuda::HalfOf(2047).bits, 0x67ff);
  EXPECT_EQ(cuda::HalfOf(2048).bits, 0x6800);
}

TEST(SplitDigits, FitTheirRangeAndGiveTheWeightBack) {
  for (std::int32_t weight = -kMaxWeight; weight <= kMaxWeight; weight += weight % 7 == 0 ? 1 : 3) {
    const cuda::Digits digits = cuda::SplitDigits(weight);
    ASSERT_EQ(digits.high * 2048 + digits.low, weight);
    ASSERT_LE(std::abs(digits.high), 1024) << weight;
    ASSERT_TRUE(digits.low >= -1024 && digits.low < 1024) << weight;
  }
}

TEST(CombineDigits, RoundsTheSumOnce) {
  Random random(1);
  for (int i = 0; i < 200000; ++i) {
    const std::int64_t high = random.Between(-cuda::kExactFloat + 1, cuda::kExactFloat - 1);
    const std::int64_t low = random.Between(-cuda::kExactFloat + 1, cuda::kExactFloat - 1);
    const auto wanted = static_cast<float>(high * 2048 + low);
    ASSERT_EQ(cuda::CombineDigits(static_cast<float>(high), static_cast<float>(low)), wanted)
        << high << " " << low;
  }
}

TEST(PackDigits, LeavesHighDigitsOutWhereAllAreZero) {
  const std::vector<std::int32_t> weights = {127, -127, 1023, -1024};  // [2][2]
  EXPECT_EQ(cuda::DigitsOf(weights.data(), 4), 1);
  const std::int32_t wide = 1024;
  EXPECT_EQ(cuda::DigitsOf(&wide, 1), 2);
  const std::vector<cuda::Half> packed = cuda::PackDigits(weights.data(), 2, 2, 1);
  ASSERT_EQ(packed.size(), 8U * 8U);
  EXPECT_EQ(cuda::Value(packed[0]), 127);
  EXPECT_EQ(cuda::Value(packed[1]), -127);
  EXPECT_EQ(cuda::Value(packed[8]), 1023);
  EXPECT_EQ(cuda::Value(packed[9]), -1024);
}

TEST(PackDigits, PadsWithZeros) {
  const std::vector<std::int32_t> weights = {5000, -1, 0, 2047, -5000, 7};  // [3][2]
  const std::vector<cuda::Half> packed = cuda::PackDigits(weights.data(), 3, 2, 2);
  ASSERT_EQ(packed.size(), 8U * 16U);
  std::int64_t nonzero = 0;
  for (const cuda::Half half : packed) {
    nonzero += half.bits != 0 ? 1 : 0;
  }
  EXPECT_EQ(cuda::Value(packed[0]), 2);  // 5000 = 2 * 2048 + 904
  EXPECT_EQ(cuda::Value(packed[8]), 904);
  EXPECT_EQ(cuda::Value(packed[2 * 16 + 8 + 1]), 7);
  EXPECT_EQ(nonzero, 2 + 1 + 2 + 2 + 1);
  EXPECT_EQ(cuda::LargestDigitSum(weights.data(), 3, 2), 904 + 904);
}

class DigitProduct : public DeviceTest {
 protected:
  // Against the CPU's integer sums, rounded once.
  void ExpectExact(std::int64_t rows, std::int64_t depth, std::int64_t width, std::int32_t largest_weight) {
    Random random(static_cast<std::uint64_t>(rows + depth + width));
    kernels::Product product;
    product.in = depth;
    product.out = width;
    for (std::int64_t i = 0; i < depth * width; ++i) {
      product.integers.push_back(static_cast<std::int32_t>(random.Between(-largest_weight, largest_weight)));
    }
    const std::int64_t row_sum = cuda::LargestDigitSum(product.integers.data(), depth, width);
    const std::int64_t limit =
        std::min<std::int64_t>(cuda::kLargestHalfCount, (cuda::kExactFloat - 1) / row_sum);
    ASSERT_GE(limit, 1);
    const std::int64_t stride = cuda::PadHalves(depth);
    std::vector<std::int32_t> counts(static_cast<std::size_t>(rows * depth));
    std::vector<cuda::Half> cells(static_cast<std::size_t>(rows * stride), cuda::Half{0});
    for (std::int64_t i = 0; i < rows * depth; ++i) {
      const auto count = static_cast<std::int32_t>(random.Chance(0.5) ? limit : random.Between(0, limit));
      counts[static_cast<std::size_t>(i)] = count;
      cells[static_cast<std::size_t>(i / depth * stride + i % depth)] = cuda::HalfOf(count);
    }
    ExpectSums(product, counts, cells, rows);
  }

 private:
  void ExpectSums(const kernels::Product& product, const std::vector<std::int32_t>& counts,
                  const std::vector<cuda::Half>& cells, std::int64_t rows) {
    const std::int64_t width = cuda::PadHalves(product.out);
    const int digits = cuda::DigitsOf(product.integers.data(), product.in * product.out);
    auto* const sums = Make<float>(static_cast<std::size_t>(rows * digits * width));
    Run({cuda::DigitProduct{rows, cuda::PadHalves(product.in), width, Put(cells), cuda::PadHalves(product.in),
                            Put(cuda::PackDigits(product.integers.data(), product.in, product.out, digits)),
                            sums, digits}});
    const std::vector<float> got = Get(sums, static_cast<std::size_t>(rows * digits * width));
    std::vector<std::int64_t> wanted(static_cast<std::size_t>(product.out));
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto first = static_cast<std::size_t>(row * product.in);
      kernels::Accumulate(product, std::span(counts).subspan(first, static_cast<std::size_t>(product.in)),
                          wanted);
      for (std::int64_t j = 0; j < product.out; ++j) {
        const auto at = static_cast<std::size_t>(row * digits * width + j);
        const float sum =
            digits == 1 ? got[at] : cuda::CombineDigits(got[at], got[at + static_cast<std::size_t>(width)]);
        ASSERT_EQ(sum, static_cast<float>(wanted[static_cast<std::size_t>(j)]))
            << "row " << row << " output " << j;
      }
    }
  }
};

TEST_P(DigitProduct, IsExactUpToItsBound) {
  ExpectExact(3, 5, 2, kMaxWeight);
  ExpectExact(17, 64, 24, kMaxWeight);
  ExpectExact(50, 600, 40, kMaxWeight);
  ExpectExact(33, 4608, 8, kMaxWeight / 50);
  ExpectExact(9, 100, 16, 1000);  // of one digit
  ExpectExact(21, 4608, 24, 127);
}

SPIKESERVE_ON_DEVICES(DigitProduct);

}  // namespace
}  // namespace spikeserve::testing
