#include "kernels/cpu/event_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "kernels/cpu/target.h"
#include "tests/support/random.h"

namespace spikeserve::kernels {
namespace {

constexpr std::int32_t kLargestNarrow = std::numeric_limits<std::int16_t>::max();

struct Spikes {
  std::vector<std::uint8_t> counts;  // [steps][rows], readable behind
  std::int64_t steps = 0, rows = 0;
};

Spikes RandomSpikes(testing::Random& random, std::int64_t steps, std::int64_t rows) {
  Spikes spikes{std::vector<std::uint8_t>(static_cast<std::size_t>(steps * rows + kCountPadding)), steps,
                rows};
  for (std::int64_t i = 0; i < steps * rows; ++i) {
    const bool spiked = random.Between(0, 3) == 0;
    spikes.counts[static_cast<std::size_t>(i)] =
        spiked ? static_cast<std::uint8_t>(random.Between(1, 9)) : std::uint8_t{0};
  }
  return spikes;
}

// Sums of one slice over all tiles, [steps][kLaneUnit].
AlignedVector<std::int32_t> SumSlice(const EventWeights& weights, const Spikes& spikes, std::int64_t slice,
                                     bool ahead) {
  const std::int64_t tile_rows = weights.tile_rows();
  EventList events;
  events.Build(spikes.counts.data(), spikes.rows, spikes.steps, spikes.rows, tile_rows, 9);
  AlignedVector<std::int32_t> sums(static_cast<std::size_t>(spikes.steps * kLaneUnit));
  AlignedVector<std::int32_t> running(sums.size());
  const GroupSums out{spikes.steps, sums.data(), kLaneUnit, running.data()};
  SpikeGroups groups;
  for (std::int64_t tile = 0; tile < weights.tiles(); ++tile) {
    const auto first = static_cast<std::int32_t>(tile * tile_rows);
    const auto length = static_cast<std::int32_t>(std::min(tile_rows, spikes.rows - first));
    const CellRange range{first, length, 0, static_cast<std::int32_t>(tile), 1};
    for (int digit = 0; digit < events.digits(); ++digit) {
      CollectSpikes(events, digit, std::span(&range, 1), spikes.steps, tile_rows, groups);
      weights.AddSpikes(groups, slice, tile, digit, ahead, out);
    }
  }
  return sums;
}

class EventWeightsOf : public ::testing::Test {
 protected:
  ~EventWeightsOf() override { ForceCpuTarget(""); }

  // Against the sum of products, on every instruction set.
  static void ExpectSums(std::int64_t rows, std::int64_t channels, std::int64_t tile_rows,
                         std::int32_t largest) {
    testing::Random random(static_cast<std::uint64_t>(rows * channels + largest));
    std::vector<std::int32_t> integers;
    for (std::int64_t i = 0; i < rows * channels; ++i) {
      integers.push_back(static_cast<std::int32_t>(random.Between(-largest, largest)));
    }
    integers.front() = -largest;
    integers.back() = largest;
    const EventWeights weights(integers, rows, channels, tile_rows, largest);
    ASSERT_EQ(weights.narrow(), largest <= kLargestNarrow);
    const Spikes spikes = RandomSpikes(random, 1 + rows % 7, rows);
    for (const std::string& target : CpuTargets()) {
      ForceCpuTarget(target);
      for (std::int64_t channel = 0; channel < channels; ++channel) {
        const std::int64_t slice = channel / kLaneUnit;
        const auto sums = SumSlice(weights, spikes, slice, channel % 2 == 0);
        for (std::int64_t step = 0; step < spikes.steps; ++step) {
          std::int64_t wanted = 0;
          for (std::int64_t row = 0; row < rows; ++row) {
            wanted += std::int64_t{spikes.counts[static_cast<std::size_t>(step * rows + row)]} *
                      integers[static_cast<std::size_t>(row * channels + channel)];
          }
          ASSERT_EQ(sums[static_cast<std::size_t>(step * kLaneUnit + channel % kLaneUnit)], wanted)
              << target << ", channel " << channel << ", step " << step;
        }
      }
    }
  }
};

TEST_F(EventWeightsOf, SixteenBitsSumExactly) {
  for (const std::int64_t rows : {1, 5, 64, 131}) {
    for (const std::int64_t channels : {1, 16, 37}) {
      ExpectSums(rows, channels, 64, kLargestNarrow);
      ExpectSums(rows, channels, rows, 3);
    }
  }
}

TEST_F(EventWeightsOf, MoreBitsSumExactly) {
  for (const std::int64_t rows : {1, 5, 64, 131}) {
    for (const std::int64_t channels : {1, 16, 37}) {
      ExpectSums(rows, channels, 64, kLargestNarrow + 1);
      ExpectSums(rows, channels, rows, (1 << 21) - 1);
    }
  }
}

TEST_F(EventWeightsOf, SixteenBitsTakeHalfTheBytes) {
  const std::vector<std::int32_t> integers(64 * 40, 7);
  const EventWeights narrow(integers, 64, 40, 64, 7);
  const EventWeights wide(integers, 64, 40, 64, 1 << 20);
  EXPECT_EQ(2 * narrow.bytes(), wide.bytes());
  EXPECT_FALSE(narrow.empty());
  EXPECT_TRUE(EventWeights().empty());
}

}  // namespace
}  // namespace spikeserve::kernels
