#include "kernels/cpu/pool_cells.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

#include "kernels/cpu/spikes/event_list.h"
#include "tests/support/cpu_targets.h"
#include "tests/support/random.h"

namespace spikeserve::kernels {
namespace {

// Average pooling by windows of `side` over a map [height][width][channels], windows apart by `stride`; those
// that would reach over the edge are cut, or have no cell at all.
GatherSum Pool(std::int64_t height, std::int64_t width, std::int64_t channels, std::int64_t side,
               std::int64_t stride) {
  GatherSum gather;
  gather.start = {0};
  for (std::int64_t y = 0; y <= height; y += stride) {
    for (std::int64_t x = 0; x <= width; x += stride) {
      for (std::int64_t c = 0; c < channels; ++c) {
        for (std::int64_t row = y; row < std::min(y + side, height); ++row) {
          for (std::int64_t column = x; column < std::min(x + side, width); ++column) {
            gather.index.push_back(static_cast<std::int32_t>((row * width + column) * channels + c));
          }
        }
        gather.start.push_back(static_cast<std::int64_t>(gather.index.size()));
      }
    }
  }
  return gather;
}

TEST(CellRuns, GatherWhatALoopOverTheCellsDoes) {
  testing::Random random(5);
  for (int repeat = 0; repeat < 200; ++repeat) {
    const std::int64_t height = random.Between(1, 7), width = random.Between(1, 7);
    const std::int64_t channels = random.Between(1, 150), side = random.Between(1, 3);
    const GatherSum gather = Pool(height, width, channels, side, random.Between(1, 3));
    std::vector<std::uint8_t> source(static_cast<std::size_t>(height * width * channels + kCountPadding),
                                     255);
    for (std::int64_t i = 0; i < height * width * channels; ++i) {
      source[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(random.Between(0, 255 / (side * side)));
    }
    const std::size_t cells = gather.start.size() - 1;
    std::vector<std::uint8_t> wanted(cells, 0);
    for (std::size_t cell = 0; cell < cells; ++cell) {
      for (std::int64_t i = gather.start[cell]; i < gather.start[cell + 1]; ++i) {
        wanted[cell] = static_cast<std::uint8_t>(
            wanted[cell] + source[static_cast<std::size_t>(gather.index[static_cast<std::size_t>(i)])]);
      }
    }
    testing::OnEveryCpuTarget([&] {
      std::vector<std::uint8_t> gathered(cells + static_cast<std::size_t>(kCountPadding), 77);
      CellRuns(gather).Gather(source.data(), gathered.data());
      gathered.resize(cells);
      ASSERT_EQ(gathered, wanted) << channels << " channels";
    });
  }
}

}  // namespace
}  // namespace spikeserve::kernels
