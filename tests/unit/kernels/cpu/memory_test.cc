#include "kernels/cpu/memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "kernels/math/lanes.h"
#include "kernels/math/memory.h"
#include "tests/support/cpu_targets.h"
#include "tests/support/random.h"

namespace spikeserve::kernels {
namespace {

constexpr std::int64_t kPixels = 5, kStride = 23;

std::int64_t Draw(testing::Random& random, int bits) {
  const std::int64_t most = (std::int64_t{1} << random.Between(1, bits)) - 1;
  return random.Between(-most, most);
}

// Sums of all digits with what is added to them.
struct Sums {
  explicit Sums(std::uint64_t seed, int planes, bool per_pixel) : random(seed) {
    job.planes = planes;
    job.pixels = kPixels;
    job.stride = kStride;
    for (int p = 0; p < planes; ++p) {
      for (std::int64_t i = 0; i < kPixels * kLaneUnit; ++i) {
        low[p].push_back(static_cast<std::int32_t>(random.Below(1 << 20)));
        high[p].push_back(static_cast<std::int32_t>(Draw(random, 20)));
      }
      job.low[p] = low[p].data();
      job.high[p] = high[p].data();
    }
    for (std::int64_t i = 0; i < kPixels * kLaneUnit; ++i) {
      base.push_back(Draw(random, 45));
    }
    for (std::int64_t c = 0; c < kLaneUnit; ++c) {
      shift.push_back(static_cast<std::uint8_t>(random.Between(1, 40)));
    }
    job.base = base.data();
    job.base_stride = per_pixel ? kLaneUnit : 0;
    job.shift = shift.data();
  }

  std::int64_t Wanted(std::int64_t pixel, std::int64_t channel) const {
    std::int64_t sum = 0;
    const auto at = static_cast<std::size_t>(pixel * kLaneUnit + channel);
    for (int p = 0; p < job.planes; ++p) {
      sum += ((static_cast<std::int64_t>(high[p][at]) << 16) + low[p][at]) << (p * job.bits);
    }
    const auto of_base = static_cast<std::size_t>(pixel * job.base_stride + channel);
    return math::SentRectified(sum * job.times, base[of_base], shift[static_cast<std::size_t>(channel)]);
  }

  testing::Random random;
  std::vector<std::int32_t> low[2], high[2];
  std::vector<std::int64_t> base;
  std::vector<std::uint8_t> shift;
  SendJob job;
};

TEST(SendSums, SendsWhatEveryNeuronAloneWould) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Sums sums(seed, seed % 2 == 0 ? 1 : 2, seed % 3 == 0);
    sums.job.width = sums.random.Between(1, kLaneUnit);
    sums.job.times = sums.random.Chance(0.5) ? 1 : sums.random.Between(2, 1000);
    sums.job.bits = sums.random.Chance(0.5) ? 8 : 7;
    testing::OnEveryCpuTarget([&] {
      std::vector<std::int32_t> sent(kPixels * kStride, -7);
      const std::uint64_t seen = SendSums(sums.job, sent.data());
      std::uint64_t all = 0;
      for (std::int64_t pixel = 0; pixel < kPixels; ++pixel) {
        for (std::int64_t c = 0; c < kStride; ++c) {
          const std::int32_t got = sent[static_cast<std::size_t>(pixel * kStride + c)];
          if (c >= sums.job.width) {
            ASSERT_EQ(got, -7);  // nobody's
            continue;
          }
          const std::int64_t wanted = sums.Wanted(pixel, c);
          all |= static_cast<std::uint64_t>(wanted);
          ASSERT_EQ(got, static_cast<std::int32_t>(wanted));
        }
      }
      ASSERT_EQ(seen, all);
    });
  }
}

TEST(SendSums, SaysWhereBytesDoNotHoldTheCounts) {
  Sums sums(3, 1, false);
  std::fill(sums.low[0].begin(), sums.low[0].end(), 0);
  std::fill(sums.high[0].begin(), sums.high[0].end(), 0);
  std::fill(sums.shift.begin(), sums.shift.end(), 10);
  sums.job.width = kLaneUnit;
  testing::OnEveryCpuTarget([&] {
    std::vector<std::uint8_t> sent(kPixels * kStride);
    std::fill(sums.base.begin(), sums.base.end(), (std::int64_t{255} << 10) + 1023);
    EXPECT_EQ(SendSums(sums.job, sent.data()), 255U);
    EXPECT_EQ(sent[0], 255);
    sums.base[5] += 1;
    EXPECT_GT(SendSums(sums.job, sent.data()), 255U);
  });
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
    std::vector<std::uint8_t> digits(counts.size());
    TakeDigits(std::span<const std::int32_t>(counts).first(1), 0, 7, digits.data());
    EXPECT_EQ(digits[0], 5);
    TakeDigits(std::span<const std::int32_t>(counts).subspan(2, 1), 14, 7, digits.data());
    EXPECT_EQ(digits[0], (1'000'000'000 >> 14) & 127);
  });
}

}  // namespace
}  // namespace spikeserve::kernels
