#include "kernels/cpu/population.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernels/cpu/target.h"
#include "tests/support/random.h"

namespace spikeserve::kernels {
namespace {

class Population : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ForceCpuTarget(GetParam()); }
  void TearDown() override { ForceCpuTarget(""); }
};

TEST_P(Population, FilteredCurrentActsOneStepLater) {
  std::vector<float> filter = {2, 0};
  std::vector<float> sum = {1, 1};
  AddFiltered(std::vector<float>{8, -4}, 0.5F, filter, sum);
  EXPECT_EQ(sum, (std::vector<float>{3, 1}));
  EXPECT_EQ(filter, (std::vector<float>{9, -4}));
  Add(std::vector<float>{1, 2}, sum);
  EXPECT_EQ(sum, (std::vector<float>{4, 3}));
}

// Sums are rounded to float32 once, then scaled.
TEST_P(Population, ScaleRoundsOnce) {
  const std::int64_t odd = (std::int64_t{1} << 40) + (std::int64_t{1} << 15) + 1;
  std::vector<float> currents(1);
  Scale(std::vector<std::int64_t>{odd}, std::vector<float>{1}, currents);
  EXPECT_EQ(currents[0], static_cast<float>(odd));
  Scale(std::vector<std::int32_t>{16777217}, std::vector<float>{3}, currents);
  EXPECT_EQ(currents[0], 3 * 16777216.0F);
}

// Whatever the instruction set and the length: a sum at a time.
TEST_P(Population, IsItsElementsOneByOne) {
  testing::Random random(5);
  for (const std::int64_t size : {1, 3, 8, 17, 100}) {
    const auto count = static_cast<std::size_t>(size);
    const std::vector<float> scale = random.Floats(size, -0.01, 0.01);
    std::vector<float> filter = random.Floats(size, -1, 1);
    const std::vector<float> filter_before = filter;
    std::vector<std::int32_t> narrow, low, high;
    std::vector<std::int64_t> wide;
    for (std::size_t j = 0; j < count; ++j) {
      wide.push_back(random.Between(-(std::int64_t{1} << 39), std::int64_t{1} << 39));
      narrow.push_back(static_cast<std::int32_t>(random.Between(-2147483647, 2147483647)));
      low.push_back(static_cast<std::int32_t>(wide.back() & 0xffff));
      high.push_back(static_cast<std::int32_t>(wide.back() >> 16));
    }
    std::vector<float> of_wide(count), of_halves(count), of_narrow(count), of_floats(count), sum(count, 0.5F);
    Scale(wide, scale, of_wide);
    Scale(low, high, scale, of_halves);
    Scale(narrow, scale, of_narrow);
    Scale(std::span<const float>(filter_before), scale, of_floats);
    AddFiltered(of_wide, 0.8F, filter, sum);
    Add(of_narrow, sum);
    for (std::size_t j = 0; j < count; ++j) {
      ASSERT_EQ(of_wide[j], static_cast<float>(wide[j]) * scale[j]);
      ASSERT_EQ(of_halves[j], of_wide[j]);
      ASSERT_EQ(of_narrow[j], static_cast<float>(narrow[j]) * scale[j]);
      ASSERT_EQ(of_floats[j], filter_before[j] * scale[j]);
      ASSERT_EQ(filter[j], std::fmaf(0.8F, filter_before[j], of_wide[j]));
      const float filtered = 0.5F + filter_before[j];
      ASSERT_EQ(sum[j], filtered + of_narrow[j]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, Population, ::testing::ValuesIn(CpuTargets()));

}  // namespace
}  // namespace spikeserve::kernels
