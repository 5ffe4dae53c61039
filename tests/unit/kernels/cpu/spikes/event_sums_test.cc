#include "kernels/cpu/spikes/event_sums.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <tuple>
#include <vector>

#include "kernels/cpu/spikes/event_weights.h"
#include "kernels/cpu/spikes/usual_counts.h"
#include "tests/support/cpu_targets.h"
#include "tests/support/random.h"

namespace spikeserve::kernels {
namespace {

constexpr std::int64_t kSteps = 13;

// A dense product of spike counts, [steps][cells], with weights of a tile per `tile_rows` cells.
class EventSums : public ::testing::TestWithParam<std::tuple<bool, SpikeForm>> {
 protected:
  // [steps][kLaneUnit] of one slice, as WindowSums adds them.
  std::vector<std::int32_t> Sum(const EventWeights& weights, std::span<const std::uint8_t> counts,
                                std::int64_t cells, std::int32_t largest, std::int64_t slice) const {
    const SpikeForm form = std::get<1>(GetParam());
    const std::int64_t rows = weights.tile_rows();
    EventList events;
    std::vector<std::uint8_t> usual;
    FindUsualCounts(counts.data(), cells, kSteps, cells, largest, usual);
    events.Build(counts.data(), cells, kSteps, cells, rows, largest, form, usual.data());
    AlignedVector<std::int32_t> sums(kSteps * kLaneUnit, 0), running((kSteps + 1) * kLaneUnit, 0);
    SpikeGroups groups;
    for (std::int64_t tile = 0; tile < weights.tiles(); ++tile) {
      const std::int64_t length = std::min(rows, cells - tile * rows);
      const std::vector<CellRange> ranges = {{static_cast<std::int32_t>(tile * rows),
                                              static_cast<std::int32_t>(length), 0,
                                              static_cast<std::int32_t>(tile), 1}};
      for (int digit = 0; digit < events.digits(); ++digit) {
        CollectSpikes(events, digit, ranges, kSteps, rows, groups);
        weights.AddSpikes(groups, slice, tile, digit,
                          {kSteps, sums.data(), kLaneUnit, nullptr, running.data()}, 0, digit == 0 ? 1 : 0);
      }
    }
    return {sums.begin(), sums.end()};
  }
};

// At the ends of the range of a weight, where a widening without its sign or a sum of 16 bits would show.
TEST_P(EventSums, AreThoseOfALoopOverTheCounts) {
  const bool narrow = std::get<0>(GetParam());
  const bool changes = std::get<1>(GetParam()) == SpikeForm::kChanges;
  testing::Random random(3);
  for (int repeat = 0; repeat < 40; ++repeat) {
    const std::int64_t cells = random.Between(1, 90);
    const std::int64_t channels = random.Between(1, 40);
    const std::int32_t most = narrow ? INT16_MAX : (1 << 21) - 1;
    std::vector<std::int32_t> weights;
    for (std::int64_t i = 0; i < cells * channels; ++i) {
      const auto extreme = random.Between(0, 3);
      weights.push_back(extreme == 0   ? most
                        : extreme == 1 ? -most
                                       : static_cast<std::int32_t>(random.Between(-most, most)));
    }
    const auto largest = static_cast<std::int32_t>(random.Between(1, kMostCopies));
    std::vector<std::uint8_t> counts(static_cast<std::size_t>(kSteps * cells + kCountPadding));
    for (std::int64_t i = 0; i < kSteps * cells; ++i) {
      counts[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(random.Between(0, largest));
    }
    const EventWeights sliced(weights, cells, channels, random.Between(1, cells), narrow, changes);
    EXPECT_EQ(sliced.narrow(), narrow);
    EXPECT_EQ(sliced.bytes(), (narrow ? 2 : 4) * kLaneUnit * ((channels + kLaneUnit - 1) / kLaneUnit) *
                                  sliced.tiles() * ((changes ? 2 : 1) * sliced.tile_rows() + 1));
    testing::OnEveryCpuTarget([&] {
      for (std::int64_t channel = 0; channel < channels; ++channel) {
        const auto sums = Sum(sliced, counts, cells, largest, channel / kLaneUnit);
        for (std::int64_t step = 0; step < kSteps; ++step) {
          std::int32_t wanted = 0;
          for (std::int64_t cell = 0; cell < cells; ++cell) {
            wanted += counts[static_cast<std::size_t>(step * cells + cell)] *
                      weights[static_cast<std::size_t>(cell * channels + channel)];
          }
          ASSERT_EQ(sums[static_cast<std::size_t>(step * kLaneUnit + channel % kLaneUnit)], wanted)
              << "step " << step << ", channel " << channel;
        }
      }
    });
  }
}

INSTANTIATE_TEST_SUITE_P(AllWeightsAndForms, EventSums,
                         ::testing::Combine(::testing::Bool(),
                                            ::testing::Values(SpikeForm::kDigits, SpikeForm::kCopies,
                                                              SpikeForm::kChanges)));

}  // namespace
}  // namespace spikeserve::kernels
