#include "kernels/cpu/population.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/random.h"

namespace spikeserve::kernels {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

struct Neurons {
  explicit Neurons(std::vector<float> currents) : sum(std::move(currents)), bias(sum.size(), 0.0F) {
    voltage.assign(sum.size(), 0.0F);
    refractory.assign(sum.size(), 0.0F);
    counts.assign(sum.size(), 0);
  }
  StepResult Rectified() { return StepSpikingRectifiedLinear(sum, bias, voltage, counts); }
  StepResult Signed() { return StepIntegrateAndFire(sum, bias, voltage, counts); }
  StepResult Leaky() { return StepLif(sum, bias, {0.05F, 20.0F, 2.0F, 0.0F}, voltage, refractory, counts); }

  std::vector<float> sum, bias, voltage, refractory;
  std::vector<std::int32_t> counts;
};

// A layer at once is its neurons one by one, bit for bit, whatever its length.
TEST(Population, IsItsNeuronsOneByOne) {
  testing::Random random(3);
  for (const std::int64_t size : {1, 3, 8, 17, 100}) {
    Neurons rectified(random.Floats(size, -1, 5));
    Neurons signed_if = rectified;
    Neurons lif = rectified;
    std::vector<float> v[3] = {rectified.voltage, rectified.voltage, rectified.voltage};
    std::vector<float> refractory = rectified.refractory;
    for (int step = 0; step < 50; ++step) {
      const StepResult result = rectified.Rectified();
      signed_if.Signed();
      lif.Leaky();
      std::int32_t largest = 0;
      std::int64_t spikes = 0;
      for (std::size_t j = 0; j < rectified.sum.size(); ++j) {
        const float current = rectified.sum[j];
        const auto count = static_cast<std::int32_t>(math::StepSpikingRectifiedLinear(current, v[0][j]));
        ASSERT_EQ(rectified.counts[j], count);
        largest = std::max(largest, count);
        spikes += count;
        ASSERT_EQ(signed_if.counts[j], math::StepIntegrateAndFire(current, v[1][j]));
        ASSERT_EQ(lif.counts[j], math::StepLif(current, {0.05F, 20.0F, 2.0F, 0.0F}, v[2][j], refractory[j]));
      }
      ASSERT_EQ(result.largest, largest);
      ASSERT_EQ(result.spikes, spikes);
    }
    EXPECT_EQ(rectified.voltage, v[0]);
    EXPECT_EQ(signed_if.voltage, v[1]);
    EXPECT_EQ(lif.voltage, v[2]);
  }
}

TEST(Population, TellsOfCountsBeyondFloat32) {
  for (const float current : {kMaxSpikesPerStep, 3e38F, kInf, kNan}) {
    EXPECT_FALSE(Neurons({1, current}).Rectified().in_range) << current;
    EXPECT_FALSE(Neurons({1, current}).Signed().in_range) << current;
  }
  EXPECT_TRUE(Neurons({1, kMaxSpikesPerStep - 2}).Rectified().in_range);
  EXPECT_TRUE(Neurons({1, kMaxSpikesPerStep - 2}).Signed().in_range);
  EXPECT_TRUE(Neurons({1, 1e30F}).Leaky().in_range);  // one spike at most
}

TEST(Population, FilteredCurrentActsOneStepLater) {
  std::vector<float> filter = {2, 0};
  std::vector<float> sum = {1, 1};
  AddFiltered(std::vector<float>{8, -4}, 0.5F, filter, sum);
  EXPECT_EQ(sum, (std::vector<float>{3, 1}));
  EXPECT_EQ(filter, (std::vector<float>{9, -4}));
  Add(std::vector<float>{1, 2}, sum);
  EXPECT_EQ(sum, (std::vector<float>{4, 3}));
}

// Sums are rounded to float32 once, then scaled.
TEST(Population, ScaleRoundsOnce) {
  const std::int64_t odd = (std::int64_t{1} << 40) + (std::int64_t{1} << 15) + 1;
  std::vector<float> currents(1);
  Scale(std::vector<std::int64_t>{odd}, std::vector<float>{1}, currents);
  EXPECT_EQ(currents[0], static_cast<float>(odd));
  Scale(std::vector<std::int32_t>{16777217}, std::vector<float>{3}, currents);
  EXPECT_EQ(currents[0], 3 * 16777216.0F);
}

TEST(Population, RateIsTheRectifiedCurrent) {
  std::vector<float> values(3);
  StepRectifiedLinear(std::vector<float>{1, -5, 2}, std::vector<float>{1, 1, -4}, -0.5F, values);
  EXPECT_EQ(values, (std::vector<float>{-1, 0, 0}));
}

}  // namespace
}  // namespace spikeserve::kernels
