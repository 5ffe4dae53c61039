#include "kernels/cpu/memory.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

#include "kernels/math/memory.h"
#include "tests/support/cpu_targets.h"
#include "tests/support/random.h"

namespace spikeserve::kernels {
namespace {

std::int64_t Draw(testing::Random& random, int bits) {
  const std::int64_t most = (std::int64_t{1} << random.Between(1, bits)) - 1;
  return random.Between(-most, most);
}

TEST(Memory, SlopesAndSumsAreExact) {
  testing::Random random(11);
  for (int repeat = 0; repeat < 2000; ++repeat) {
    const std::int64_t z = Draw(random, 61);
    const std::int64_t slope = random.Between(-(1 << 15), 1 << 15);
    __extension__ using Wide = __int128;
    const Wide product = static_cast<Wide>(slope) * z;
    ASSERT_EQ(math::TimesSlope(slope, z), static_cast<std::int64_t>(product >> math::kSlopeBits));
  }
  testing::OnEveryCpuTarget([&] {
    const std::vector<std::int32_t> counts = {5, -7, 1'000'000'000, 0, -1'000'000'000};
    EXPECT_EQ(SumMagnitudes(counts), 2'000'000'012);
    const std::vector<std::uint8_t> bytes(100'001, 255);
    EXPECT_EQ(SumMagnitudes(bytes), 255 * 100'001);
    std::vector<std::int64_t> sent = {7, 7, 7, 7, 7};
    std::vector<std::int32_t> change(counts.size());
    EXPECT_EQ(TakeChange(counts, sent, change), 1'000'000'007);
    EXPECT_EQ(change, (std::vector<std::int32_t>{-2, -14, 999'999'993, -7, -1'000'000'007}));
    EXPECT_EQ(sent, std::vector<std::int64_t>(counts.begin(), counts.end()));
    std::vector<std::uint8_t> digits(counts.size());
    TakeDigits(std::span<const std::int32_t>(counts).first(1), 0, 7, digits.data());
    EXPECT_EQ(digits[0], 5);
    TakeDigits(std::span<const std::int32_t>(counts).subspan(2, 1), 14, 7, digits.data());
    EXPECT_EQ(digits[0], (1'000'000'000 >> 14) & 127);
  });
}

}  // namespace
}  // namespace spikeserve::kernels
