// The closed form of a constant charge against the steps of the integrators, by bytes.

#include "kernels/math/constant_charge.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/math/spiking.h"
#include "tests/support/random.h"

namespace spikeserve::math {
namespace {

bool SameBits(float a, float b) { return std::memcmp(&a, &b, sizeof(a)) == 0; }

// Whether the closed form was exact; where it says so it must be.
bool CheckAgainstSteps(float start, float charge, std::int64_t steps) {
  const ConstantCharge constant = MakeConstantCharge(start, charge);
  if (!constant.exact) {
    return false;
  }
  NeuronState state{.voltage = start};
  std::int64_t spikes = 0;
  std::int64_t most = 0;
  for (std::int64_t step = 1; step <= steps; ++step) {
    const auto count = static_cast<std::int64_t>(spiking::IntegrateAndFire{}(charge, state));
    spikes += count;
    most = std::max(most, count);
    EXPECT_EQ(SpikesAfter(constant, step), spikes) << start << " + " << charge << " at " << step;
    EXPECT_TRUE(SameBits(VoltageAfter(constant, step), state.voltage))
        << start << " + " << charge << " at " << step;
    EXPECT_EQ(MostPerStep(constant, step), most) << start << " + " << charge << " at " << step;
  }
  return true;
}

TEST(ConstantCharge, IsTheStepsWhereNothingRounds) {
  testing::Random random(1);
  int exact = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::int64_t shift = random.Between(0, 24);  // quanta between 1 and 2^-24
    const double quantum = std::ldexp(1.0, -static_cast<int>(shift));
    const double most =
        std::ldexp(1.0, static_cast<int>(random.Between(0, std::min<std::int64_t>(24, shift + 9))));
    const auto charge = static_cast<float>(std::floor(random.Uniform(0, most)) * quantum);
    const auto start =
        static_cast<float>(std::floor(random.Uniform(0, std::ldexp(1.0, static_cast<int>(shift)))) * quantum);
    exact += CheckAgainstSteps(start, charge, 40) ? 1 : 0;
  }
  EXPECT_GT(exact, 1500);
}

TEST(ConstantCharge, IsNeverWrongForAnyNumbers) {
  testing::Random random(2);
  int exact = 0;
  for (int i = 0; i < 20000; ++i) {
    const double size = std::ldexp(1.0, static_cast<int>(random.Between(-12, 22)));
    exact += CheckAgainstSteps(static_cast<float>(random.Uniform(0, 1)),
                               static_cast<float>(random.Uniform(0, size)), 20)
                 ? 1
                 : 0;
  }
  EXPECT_GT(exact, 20);
}

TEST(ConstantCharge, KnowsItsLimits) {
  EXPECT_TRUE(CheckAgainstSteps(0.0F, 0.0F, 3));
  EXPECT_TRUE(CheckAgainstSteps(0.3F, 0.0F, 3));  // no quantum, but no addition either
  EXPECT_TRUE(CheckAgainstSteps(-0.0F, -0.0F, 3));
  EXPECT_TRUE(CheckAgainstSteps(-0.0F, 0.5F, 3));
  EXPECT_TRUE(CheckAgainstSteps(0.5F, 4194304.0F, 3));
  EXPECT_TRUE(CheckAgainstSteps(1.0F - 0x1p-23F, 1.0F + 0x1p-23F, 50));  // their sum needs every bit
  EXPECT_TRUE(CheckAgainstSteps(0.75F, 3.0F + 0x1p-22F, 50));
  EXPECT_FALSE(MakeConstantCharge(0.5F, 0.1F).exact);
  EXPECT_FALSE(MakeConstantCharge(0.5F, 0.5F + 0x1p-24F).exact);
  for (const float outside : {-0.25F, 1.0F, INFINITY, NAN}) {
    EXPECT_FALSE(MakeConstantCharge(outside, 0.5F).exact);
  }
  for (const float outside : {-0.5F, 4194305.0F, INFINITY, NAN}) {
    EXPECT_FALSE(MakeConstantCharge(0.5F, outside).exact);
  }
}

}  // namespace
}  // namespace spikeserve::math
