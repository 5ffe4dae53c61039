#include "kernels/cpu/send_sums.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
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

  void SetWidth(std::int64_t width) {
    job.width = width;
    std::fill(shift.begin() + width, shift.end(), kShiftOfNone);
  }

  // What it adds and by how much it shifts, so that 32 bits at a time do.
  void TakeHalves() {
    for (std::int64_t& value : base) {
      value = Draw(random, 40);
      low_halves.push_back(static_cast<std::int32_t>(value & 0xffff));
      high_halves.push_back(static_cast<std::int32_t>(value >> 16));
    }
    for (std::uint8_t& one : shift) {
      one = static_cast<std::uint8_t>(random.Between(job.times == 1 ? 8 : 16, 40));
    }
    for (int p = 0; p < job.planes; ++p) {
      for (std::int32_t& value : high[p]) {
        value = static_cast<std::int32_t>(Draw(random, job.times == 1 ? 12 : 9));
      }
    }
    job.halves = {low_halves.data(), high_halves.data()};
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
  std::vector<std::int32_t> low_halves, high_halves;
  std::vector<std::uint8_t> shift;
  SendJob job;
};

// By the halves in every other case.
TEST(SendSums, SendsWhatEveryNeuronAloneWould) {
  for (std::uint64_t seed = 1; seed <= 240; ++seed) {
    Sums sums(seed, seed % 2 == 0 ? 1 : 2, seed % 3 == 0);
    sums.job.times = sums.random.Chance(0.5) ? 1 : sums.random.Between(2, 1000);
    sums.job.bits = sums.random.Chance(0.5) ? 8 : 7;
    if (seed / 2 % 2 == 0) {
      sums.TakeHalves();
    }
    sums.SetWidth(sums.random.Between(1, kLaneUnit));
    testing::OnEveryCpuTarget([&] {
      std::vector<std::int32_t> sent(kPixels * kStride, -7);
      std::vector<std::uint64_t> of_pixels(kPixels);
      sums.job.seen = of_pixels.data();
      const std::uint64_t seen = SendSums(sums.job, sent.data());
      std::uint64_t all = 0;
      for (std::int64_t pixel = 0; pixel < kPixels; ++pixel) {
        std::uint64_t of_pixel = 0;
        for (std::int64_t c = 0; c < kStride; ++c) {
          const std::int32_t got = sent[static_cast<std::size_t>(pixel * kStride + c)];
          if (c >= sums.job.width) {
            ASSERT_EQ(got, -7);  // nobody's
            continue;
          }
          const std::int64_t wanted = sums.Wanted(pixel, c);
          of_pixel |= static_cast<std::uint64_t>(wanted);
          ASSERT_EQ(got, static_cast<std::int32_t>(wanted));
        }
        ASSERT_EQ(std::bit_width(of_pixels[static_cast<std::size_t>(pixel)]), std::bit_width(of_pixel));
        all |= of_pixel;
      }
      ASSERT_EQ(std::bit_width(seen), std::bit_width(all));
    });
  }
}

TEST(SendSums, SaysWhereBytesDoNotHoldTheCounts) {
  Sums sums(3, 1, false);
  std::fill(sums.low[0].begin(), sums.low[0].end(), 0);
  std::fill(sums.high[0].begin(), sums.high[0].end(), 0);
  std::fill(sums.shift.begin(), sums.shift.end(), 10);
  sums.SetWidth(kLaneUnit);
  testing::OnEveryCpuTarget([&] {
    std::vector<std::uint8_t> sent(kPixels * kStride);
    std::fill(sums.base.begin(), sums.base.end(), (std::int64_t{255} << 10) + 1023);
    EXPECT_EQ(SendSums(sums.job, sent.data()), 255U);
    EXPECT_EQ(sent[0], 255);
    sums.base[5] += 1;
    EXPECT_GT(SendSums(sums.job, sent.data()), 255U);
  });
}

TEST(FitsHalves, KnowsItsBounds) {
  EXPECT_TRUE(FitsHalves(2, 16383, 3.5e13, 3.5e13, 20));
  EXPECT_FALSE(FitsHalves(3, 1, 1, 1, 20));
  EXPECT_FALSE(FitsHalves(1, 16384, 1, 1, 20));
  EXPECT_FALSE(FitsHalves(1, 1, 7.1e13, 0, 40));        // 2^46 is 7.04e13
  EXPECT_FALSE(FitsHalves(1, 1, 0, 1.1e9 * 1024, 10));  // more than 2^30 spikes
  EXPECT_TRUE(FitsHalves(1, 1, 0, 1.0e9 * 1024, 10));
}

}  // namespace
}  // namespace spikeserve::kernels
