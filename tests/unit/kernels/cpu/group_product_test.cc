#include "kernels/cpu/group_product.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/support/cpu_targets.h"

namespace spikeserve::kernels {
namespace {

template <typename T>
std::vector<T> RandomCells(std::int64_t count, std::mt19937_64& random) {
  std::vector<T> cells(static_cast<std::size_t>(count));
  bool silent = true;
  for (T& cell : cells) {
    silent = random() % 7 == 0 ? !silent : silent;
    cell = silent ? (random() % 2 == 0 ? T{0} : -T{0}) : static_cast<T>(random() % 256);
  }
  return cells;
}

template <typename T>
class UsedCells : public ::testing::Test {};

using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(UsedCells, Types);

TYPED_TEST(UsedCells, AreThoseWithAValueInSomeSample) {
  testing::OnEveryCpuTarget([&] {
    std::mt19937_64 random(7);
    for (std::int64_t count = 0; count < 300; ++count) {
      std::vector<std::vector<TypeParam>> samples;
      std::vector<const TypeParam*> cells;
      for (std::int64_t s = 0; s <= count % kProductGroup; ++s) {
        samples.push_back(RandomCells<TypeParam>(count, random));
      }
      for (const auto& sample : samples) {
        cells.push_back(sample.data());
      }
      std::vector<CellRange> ranges;
      FindUsedCells(std::span<const TypeParam* const>(cells), count, ranges);
      std::vector<bool> used(static_cast<std::size_t>(count));
      std::int32_t last = -1;
      for (const CellRange& range : ranges) {
        EXPECT_EQ(range.row, range.cell);
        EXPECT_GT(range.length, 0);
        EXPECT_GT(range.cell, last);  // a cell that is left out lies between two runs
        last = range.cell + range.length;
        for (std::int32_t c = range.cell; c < last; ++c) {
          used[static_cast<std::size_t>(c)] = true;
        }
      }
      for (std::size_t c = 0; c < used.size(); ++c) {
        const bool wanted =
            std::any_of(samples.begin(), samples.end(), [c](const auto& s) { return s[c] != 0; });
        ASSERT_EQ(used[c], wanted) << "cell " << c << " of " << count;
      }
    }
  });
}

}  // namespace
}  // namespace spikeserve::kernels
