#include "kernels/cpu/spikes/byte_counts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <random>
#include <vector>

#include "tests/support/cpu_targets.h"

namespace spikeserve::kernels {
namespace {

TEST(ByteCounts, AreThoseOfASimpleLoop) {
  std::mt19937 random(3);
  testing::OnEveryCpuTarget([&] {
    for (std::size_t size = 0; size < 300; ++size) {
      std::vector<std::uint8_t> values(size);
      for (std::uint8_t& value : values) {
        value = static_cast<std::uint8_t>(random() % 3 == 0 ? random() % 256 : 0);
      }
      std::int64_t ones = 0;
      std::int64_t used = 0;
      std::int64_t sum = 0;
      std::uint8_t largest = 0;
      for (const std::uint8_t value : values) {
        ones += std::popcount(value);
        used += value != 0 ? 1 : 0;
        sum += value;
        largest = std::max(largest, value);
      }
      ASSERT_EQ(CountOnes(values), ones) << size;
      ASSERT_EQ(CountNonZero(values), used) << size;
      ASSERT_EQ(SumBytes(values), sum) << size;
      ASSERT_EQ(LargestByte(values), largest) << size;
    }
  });
}

TEST(ByteCounts, DoNotWrap) {
  const std::vector<std::uint8_t> values(100000, 255);
  EXPECT_EQ(CountOnes(values), 800000);
  EXPECT_EQ(CountNonZero(values), 100000);
  EXPECT_EQ(SumBytes(values), 25500000);
}

}  // namespace
}  // namespace spikeserve::kernels
