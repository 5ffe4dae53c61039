#include "kernels/cpu/spikes/digit_sums.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "tests/support/cpu_targets.h"

namespace spikeserve::kernels {
namespace {

constexpr std::int64_t kSteps = 11;

class DigitSums : public ::testing::Test {
 protected:
  // All sums of all steps, on every target, against integers of 64 bits.
  static void ExpectSums(std::int64_t rows, std::int64_t channels, std::int32_t most_weight, int most_count,
                         bool wide, std::int64_t segments = 1, std::int64_t steps = kSteps) {
    std::mt19937 random(static_cast<unsigned>(rows * 1000 + channels));
    std::vector<std::int32_t> weights(static_cast<std::size_t>(rows * channels));
    for (std::int32_t& weight : weights) {
      weight =
          static_cast<std::int32_t>(random() % (2 * static_cast<unsigned>(most_weight) + 1)) - most_weight;
    }
    weights.front() = most_weight;
    weights.back() = -most_weight;
    const DigitWeights digits(weights, rows, channels, segments);
    // One step after the other, in each the segments with three cells of nobody in between.
    const std::int64_t in_segment = rows / segments;
    const std::int64_t segment_stride = in_segment + 3;
    const std::int64_t stride = segments * segment_stride;
    std::vector<std::uint8_t> cells(static_cast<std::size_t>(steps * stride + kDigitCells));
    for (std::uint8_t& cell : cells) {
      cell = static_cast<std::uint8_t>(random() % (static_cast<unsigned>(most_count) + 1));
    }
    const std::int64_t slices = (channels + kLaneUnit - 1) / kLaneUnit;
    testing::OnEveryCpuTarget([&] {
      std::vector<std::int32_t> low(static_cast<std::size_t>(steps * slices * kLaneUnit)), high(low.size());
      const std::int64_t at_once = DigitSlices(digits, steps);
      for (std::int64_t slice = 0; slice < slices; slice += at_once) {
        SumDigits(digits, slice,
                  {steps, cells.data(), stride, segment_stride, low.data() + slice * kLaneUnit,
                   wide ? high.data() + slice * kLaneUnit : nullptr, slices * kLaneUnit, most_count,
                   std::min(at_once, slices - slice)});
      }
      for (std::int64_t step = 0; step < steps; ++step) {
        for (std::int64_t channel = 0; channel < channels; ++channel) {
          std::int64_t sum = 0;
          for (std::int64_t row = 0; row < rows; ++row) {
            sum += std::int64_t{weights[static_cast<std::size_t>(row * channels + channel)]} *
                   cells[static_cast<std::size_t>(step * stride + row / in_segment * segment_stride +
                                                  row % in_segment)];
          }
          const auto at = static_cast<std::size_t>(step * slices * kLaneUnit + channel);
          ASSERT_EQ(low[at] + (wide ? std::int64_t{high[at]} * 65536 : 0), sum) << "step " << step;
          ASSERT_TRUE(!wide || low[at] >= 0);
        }
      }
    });
  }
};

TEST_F(DigitSums, OfUsedGroupsAreThoseOfAll) {
  std::mt19937 random(5);
  for (const std::int64_t rows : {1, 4, 63, 64, 65, 270}) {
    for (std::int64_t steps = 1; steps <= kListedSteps; ++steps) {
      for (const std::int32_t most : {127, 1000, 1 << 21}) {
        std::vector<std::int32_t> weights(static_cast<std::size_t>(rows * kLaneUnit));
        for (std::int32_t& weight : weights) {
          weight = static_cast<std::int32_t>(random() % (2 * static_cast<unsigned>(most) + 1)) - most;
        }
        const DigitWeights digits(weights, rows, kLaneUnit);
        const std::int64_t stride = digits.groups() * kDigitCells;
        std::vector<std::uint8_t> cells(static_cast<std::size_t>(steps * stride));
        for (std::uint8_t& cell : cells) {
          cell = static_cast<std::uint8_t>(random() % 9 == 0 ? random() % 256 : 0);
        }
        testing::OnEveryCpuTarget([&] {
          std::vector<std::int32_t> low(static_cast<std::size_t>(steps * kLaneUnit)), high(low.size());
          std::vector<std::int32_t> used_low(low.size()), used_high(low.size()), used = {-1};
          SumDigits(digits, 0, {steps, cells.data(), stride, 0, low.data(), high.data(), kLaneUnit});
          const DigitJob job{steps, cells.data(), stride, 0, used_low.data(), used_high.data(), kLaneUnit};
          ListUsedGroups(job, digits.groups(), used);
          SumListedDigits(digits, 0, job, std::span(used).subspan(1));
          for (std::size_t i = 0; i < low.size(); ++i) {
            ASSERT_EQ(used_high[i] * 65536LL + used_low[i], high[i] * 65536LL + low[i]);
          }
          ASSERT_EQ(used.front(), -1);
          for (std::int32_t group = 0; group < digits.groups(); ++group) {
            bool any = false;
            for (std::int64_t at = group * kDigitCells; at < static_cast<std::int64_t>(cells.size());
                 at += stride) {
              any = any || std::any_of(cells.begin() + at, cells.begin() + at + kDigitCells,
                                       [](std::uint8_t cell) { return cell != 0; });
            }
            ASSERT_EQ(std::count(used.begin() + 1, used.end(), group), any ? 1 : 0) << group;
          }
        });
      }
    }
  }
}

TEST_F(DigitSums, AreExact) {
  for (const std::int64_t rows : {1, 3, 4, 5, 150, 576}) {
    for (const std::int64_t channels : {1, 16, 17, 64}) {
      ExpectSums(rows, channels, 1 << 21, 1, false);
      ExpectSums(rows, channels, 127 * 256 + 127, 12, false);
      ExpectSums(rows, channels, 127, 255, true);
      ExpectSums(rows, channels, 1000, 127, false);
      ExpectSums(rows, channels, 1000, 128, false);
      ExpectSums(rows, channels, 1000, 255, false);
    }
  }
}

TEST_F(DigitSums, AreExactInSegments) {
  for (const std::int64_t segments : {2, 3, 5}) {
    for (const std::int64_t rows : {1, 3, 4, 9, 30}) {
      ExpectSums(segments * rows, 17, 1 << 21, 3, false, segments);
      ExpectSums(segments * rows, 17, 1 << 21, 255, true, segments);
      ExpectSums(segments * rows, 17, 127, 255, true, segments);
    }
  }
}

TEST_F(DigitSums, OfTwoSlicesAreThoseOfEach) {
  for (std::int64_t steps = 1; steps <= 18; ++steps) {
    for (const std::int32_t most : {127, 1000, 1 << 21}) {
      ExpectSums(60, 55, most, 255, true, 3, steps);
    }
  }
}

TEST_F(DigitSums, AreExactBeyondAnInt32) {
  ExpectSums(150, 16, 1 << 21, 255, true);
  ExpectSums(2000, 20, 1 << 21, 255, true);
}

TEST_F(DigitSums, AtTheEndsOfTwoDigits) {
  ExpectSums(40, 16, 127 * 256 + 127, 3, false);
  ExpectSums(40, 16, 127 * 256 + 128, 3, false);
  EXPECT_EQ(DigitWeights(std::vector<std::int32_t>{127, -128}, 2, 1).digits(), 1);
  EXPECT_EQ(DigitWeights(std::vector<std::int32_t>{128}, 1, 1).digits(), 2);
  EXPECT_EQ(DigitWeights(std::vector<std::int32_t>{127 * 256 + 127}, 1, 1).digits(), 2);
  EXPECT_EQ(DigitWeights(std::vector<std::int32_t>{127 * 256 + 128}, 1, 1).digits(), 3);
}

}  // namespace
}  // namespace spikeserve::kernels
