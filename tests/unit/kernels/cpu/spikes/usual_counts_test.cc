#include "kernels/cpu/spikes/usual_counts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "kernels/cpu/spikes/event_list.h"
#include "tests/support/cpu_targets.h"
#include "tests/support/random.h"

namespace spikeserve::kernels {
namespace {

TEST(UsualCounts, AreRoundedMeans) {
  testing::Random random(5);
  std::vector<std::uint8_t> usual;
  for (int repeat = 0; repeat < 60; ++repeat) {
    const std::int64_t cells = random.Between(1, 150), stride = cells + random.Between(0, 9);
    const std::int64_t steps = repeat == 0 ? 4096 : random.Between(1, 40);
    const auto largest = static_cast<std::int32_t>(random.Between(1, 8));
    std::vector<std::uint8_t> counts(static_cast<std::size_t>(steps * stride + kCountPadding));
    std::fill(counts.begin(), counts.end(), std::uint8_t{255});  // also between the rows and behind them
    for (std::int64_t i = 0; i < steps * cells; ++i) {
      counts[static_cast<std::size_t>(i / cells * stride + i % cells)] =
          static_cast<std::uint8_t>(repeat == 0 ? largest : random.Between(0, largest));
    }
    testing::OnEveryCpuTarget([&] {
      FindUsualCounts(counts.data(), stride, steps, cells, largest, usual);
      ASSERT_GE(static_cast<std::int64_t>(usual.size()), cells + kCountPadding);
      std::int64_t changes = 0;
      for (std::int64_t cell = 0; cell < cells; ++cell) {
        std::int64_t sum = 0;
        const std::int64_t mean = usual[static_cast<std::size_t>(cell)];
        for (std::int64_t step = 0; step < steps; ++step) {
          const std::int64_t count = counts[static_cast<std::size_t>(step * stride + cell)];
          sum += count;
          changes += std::abs(count - mean);
        }
        ASSERT_EQ(mean, (2 * sum + steps) / (2 * steps)) << "cell " << cell;
      }
      EXPECT_EQ(SumChanges(counts.data(), stride, steps, cells, usual.data()), changes);
    });
  }
}

}  // namespace
}  // namespace spikeserve::kernels
