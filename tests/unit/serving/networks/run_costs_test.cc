#include "server/serving/networks/run_costs.h"

#include <gtest/gtest.h>

#include "tests/support/entries.h"
#include "tests/support/fake_backend.h"
#include "tests/support/requests.h"

namespace spikeserve::serving {
namespace {

class RunCostsTest : public ::testing::Test {
 protected:
  static engine::SimulationSpec Spec(std::int64_t steps) {
    engine::SimulationSpec spec = ::spikeserve::testing::SmallSpec();
    spec.settings.steps = steps;
    return spec;
  }
  CostEstimate Estimate(std::int64_t steps) const { return costs_.Estimate(*network_->network, Spec(steps)); }

  NetworkHandle network_{
      ::spikeserve::testing::MakeEntry(std::make_shared<::spikeserve::testing::FakeScript>())};
  RunCosts costs_;
};

TEST_F(RunCostsTest, GuessesBeforeTheFirstRun) {
  const CostEstimate guess = Estimate(10);
  EXPECT_FALSE(guess.measured);
  EXPECT_GT(guess.per_sample_s, 0);
  EXPECT_NEAR(Estimate(100).per_sample_s, 10 * guess.per_sample_s, 1e-15);
}

TEST_F(RunCostsTest, TellsWhatARunCostsFromWhatASampleCosts) {
  for (int i = 0; i < 20; ++i) {
    for (const std::int64_t samples : {1, 8, 64}) {
      costs_.Learn(Spec(10), samples, 10, 1e-3 + 1e-4 * static_cast<double>(samples));
    }
  }
  const CostEstimate cost = Estimate(10);
  EXPECT_TRUE(cost.measured);
  EXPECT_NEAR(cost.fixed_s, 1e-3, 1e-6);
  EXPECT_NEAR(cost.per_sample_s, 1e-4, 1e-7);
  EXPECT_NEAR(cost.Seconds(10), 2e-3, 1e-5);
}

TEST_F(RunCostsTest, NoiseDoesNotMakeSamplesFree) {
  costs_.Learn(Spec(10), 2, 10, 0.020);
  costs_.Learn(Spec(10), 3, 10, 0.018);
  EXPECT_GT(Estimate(10).Seconds(1000), 1);
}

TEST_F(RunCostsTest, RunsOfOneSizeSayWhatASampleCosts) {
  costs_.Learn(Spec(10), 64, 10, 0.064);
  costs_.Learn(Spec(10), 64, 10, 0.064);
  EXPECT_NEAR(Estimate(10).per_sample_s, 1e-3, 1e-9);
  EXPECT_EQ(Estimate(10).fixed_s, 0);
}

TEST_F(RunCostsTest, FollowsWhatChanges) {
  costs_.Learn(Spec(10), 1, 10, 1);
  for (int i = 0; i < 60; ++i) {
    costs_.Learn(Spec(10), 1, 10, 1e-3);
  }
  EXPECT_LT(Estimate(10).per_sample_s, 5e-3);
}

TEST_F(RunCostsTest, MoreStepsMayCostMoreInProportion) {
  costs_.Learn(Spec(16), 1, 16, 1e-3);
  const CostEstimate more = Estimate(64);
  EXPECT_FALSE(more.measured);
  EXPECT_NEAR(more.per_sample_s, 4e-3, 1e-9);
  EXPECT_NEAR(Estimate(4).per_sample_s, 1e-3, 1e-9);  // fewer: no promise
  engine::SimulationSpec spec = Spec(16);
  spec.trajectories = true;
  EXPECT_NE(costs_.Estimate(*network_->network, spec).per_sample_s, 1e-3);
}

TEST_F(RunCostsTest, DoubtMakesAnEstimateLess) {
  costs_.Learn(Spec(16), 1, 16, 1);
  for (int i = 0; i < 200; ++i) {
    costs_.Doubt(Spec(16));
  }
  EXPECT_LT(Estimate(16).per_sample_s, 0.1);
  costs_.Doubt(Spec(1000));  // nothing is known of it
}

TEST_F(RunCostsTest, ARunThatWasCutShortCountsInProportion) {
  costs_.Learn(Spec(100), 1, 50, 1e-3);
  EXPECT_NEAR(Estimate(100).per_sample_s, 2e-3, 1e-9);
  engine::SimulationSpec early = Spec(100);
  early.early_exit = engine::EarlyExit{};
  costs_.Learn(early, 1, 50, 1e-3);  // clear at step 50
  EXPECT_NEAR(costs_.Estimate(*network_->network, early).per_sample_s, 1e-3, 1e-9);
}

TEST_F(RunCostsTest, TellsWhereTheCurveBecomesFlat) {
  EXPECT_EQ(Estimate(10).Knee(), 1);
  for (const std::int64_t samples : {1, 8, 64}) {
    costs_.Learn(Spec(10), samples, 10, 1e-3 + 1e-4 * static_cast<double>(samples));
  }
  EXPECT_NEAR(static_cast<double>(Estimate(10).Knee()), 100, 1);  // 10 us of a run for each sample of 100 us
}

TEST_F(RunCostsTest, ARunIsShortByTheTimeOfAllThreads) {
  costs_.Learn(Spec(10), 1, 10, 30e-6);
  EXPECT_FALSE(Estimate(10).IsShort(1));  // nobody knows
  costs_.Learn(Spec(10), 1, 10, 30e-6, 40e-6);
  EXPECT_TRUE(Estimate(10).IsShort(1));
  EXPECT_TRUE(Estimate(10).IsShort(5));
  EXPECT_FALSE(Estimate(10).IsShort(6));
  EXPECT_FALSE(Estimate(40).IsShort(1));            // not measured
  costs_.Learn(Spec(1000), 1, 1000, 30e-6, 60e-6);  // others may join, which saves more
  EXPECT_FALSE(Estimate(1000).IsShort(1));
}

TEST_F(RunCostsTest, AThreadThatLeftItsCoreMakesNoRunLong) {
  for (int i = 0; i < 10; ++i) {
    costs_.Learn(Spec(10), 1, 10, 20e-6, 20e-6);
  }
  costs_.Learn(Spec(10), 1, 10, 1, 1);
  EXPECT_TRUE(Estimate(10).IsShort(1));
  for (int i = 0; i < 50; ++i) {
    costs_.Learn(Spec(10), 1, 10, 1e-3, 1e-3);
  }
  EXPECT_FALSE(Estimate(10).IsShort(1));
}

}  // namespace
}  // namespace spikeserve::serving
