// What may be asked of a simulation, in which order.

#include "server/engine/run/progress.h"

#include <gtest/gtest.h>

namespace spikeserve::engine {
namespace {

SimulationSpec Spec(bool session, bool in_one) {
  SimulationSpec spec;
  spec.settings.steps = 10;
  spec.session = session;
  spec.in_one = in_one;
  return spec;
}

TEST(Progress, RefusesMoreStepsThanRemain) {
  Progress progress(Spec(false, false));
  EXPECT_TRUE(progress.Check(10).ok());
  progress.Advance(7);
  EXPECT_TRUE(progress.Check(3).ok());
  for (const std::int64_t steps : {-1, 0, 4}) {
    EXPECT_EQ(progress.Check(steps).code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(progress.Check(steps).message(), "steps: got " + std::to_string(steps) + ", 3 remain");
  }
}

TEST(Progress, RefusesPiecesOfWhatRunsInOne) {
  Progress progress(Spec(false, true));
  EXPECT_EQ(progress.Check(9).message(), "steps: got 9, 10 remain and are to be run in one");
  EXPECT_TRUE(progress.Check(10).ok());
}

TEST(Progress, WantsInputsBeforeASessionRuns) {
  Progress progress(Spec(true, false));
  EXPECT_EQ(progress.Check(1).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(progress.Check(11).code(), StatusCode::kInvalidArgument);
  progress.Feed();
  EXPECT_TRUE(progress.Check(1).ok());
  progress.Advance(4);
  EXPECT_EQ(progress.fed_at(), 0);
  progress.Feed();
  EXPECT_EQ(progress.fed_at(), 4);
}

TEST(Progress, WantsInputsAgainOnceASampleWasReset) {
  Progress progress(Spec(true, false));
  progress.Feed();
  progress.Reset(0);
  EXPECT_TRUE(progress.Check(1).ok());
  progress.Reset(1);
  EXPECT_EQ(progress.Check(1).message(), "a sample was reset and has no inputs yet");
  progress.Reset(0);
  EXPECT_FALSE(progress.Check(1).ok());
  progress.Feed();
  EXPECT_TRUE(progress.Check(1).ok());
}

}  // namespace
}  // namespace spikeserve::engine
