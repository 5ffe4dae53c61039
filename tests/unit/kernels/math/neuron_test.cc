#include <gtest/gtest.h>

#include "kernels/math/spiking.h"

namespace spikeserve::math::spiking {
namespace {

// A dt of 2^-10 keeps the arithmetic exact.
TEST(SpikingRectifiedLinear, SpikesSeveralTimesAndIgnoresNegativeCurrent) {
  NeuronState state{.voltage = 0.25F};
  EXPECT_EQ(RectifiedLinear{}(2.5F, state), 2.0F);
  EXPECT_EQ(state.voltage, 0.75F);
  EXPECT_EQ(RectifiedLinear{}(-3.0F, state), 0.0F);
  EXPECT_EQ(state.voltage, 0.75F);
}

TEST(SpikingIntegrateAndFire, RemembersNegativeCurrent) {
  NeuronState state{.voltage = 0.5F};
  EXPECT_EQ(IntegrateAndFire{}(-2.0F, state), 0.0F);
  EXPECT_EQ(state.voltage, -1.5F);
  EXPECT_EQ(IntegrateAndFire{}(3.75F, state), 2.0F);
  EXPECT_EQ(state.voltage, 0.25F);
}

// Nengo's defaults over 1 s at 1 ms: counts and first spikes computed in float64 from the definition.
TEST(SpikingLif, CountsAndFirstSpikesOfConstantCurrents) {
  const spiking::Lif lif{0.05F, 20.0F, 2.0F, 0.0F};
  const float currents[] = {1.5F, 2.0F, 10.0F, 50.0F};
  const int counts[] = {41, 63, 243, 416};
  const int first[] = {22, 14, 3, 1};
  for (int i = 0; i < 4; ++i) {
    NeuronState state;
    int count = 0;
    int first_spike = 0;
    for (int step = 1; step <= 1000; ++step) {
      if (lif(currents[i], state) > 0.0F && ++count == 1) {
        first_spike = step;
      }
    }
    EXPECT_EQ(count, counts[i]) << "current " << currents[i];
    EXPECT_EQ(first_spike, first[i]) << "current " << currents[i];
  }
}

}  // namespace
}  // namespace spikeserve::math::spiking
