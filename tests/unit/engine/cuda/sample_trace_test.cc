// Steps that come several at a time, and where they begin anew.

#include "server/engine/cuda/sample_trace.h"

#include <gtest/gtest.h>

namespace spikeserve::engine {
namespace {

SampleTrace OfOneProbe(const ProbeRecorder::Filter& filter) {
  const std::vector<std::int64_t> values = {8};
  return {values, {ProbeRecorder(Recording{.every = 2}, filter, 2)}};
}

TEST(SampleTrace, KeepsStepsInTheOrderTheyCame) {
  SampleTrace trace = OfOneProbe({});
  trace.AddToTrajectory(0, std::vector<float>{1, 2, 3, 4});
  trace.AddToTrajectory(0, std::vector<float>{5, 6});
  EXPECT_EQ(trace.trajectory(0), (std::vector<double>{1, 2, 3, 4, 5, 6}));
  trace.AddToRecord(0, 2, std::vector<float>{1, 2, 3, 4});
  trace.AddToRecord(0, 2, std::vector<float>{5, 6});
  EXPECT_EQ(trace.Record(0), (std::vector<double>{1, 2, 5, 6}));
}

TEST(SampleTrace, ForgetsStepsButNotWhatFiltersHold) {
  SampleTrace trace = OfOneProbe({.on = true, .decay = 0.5});
  trace.AddToTrajectory(0, std::vector<float>{1, 2});
  trace.AddToRecord(0, 2, std::vector<float>{8, 4});
  trace.Forget();
  EXPECT_TRUE(trace.trajectory(0).empty());
  EXPECT_TRUE(trace.Record(0).empty());
  trace.AddToRecord(0, 2, std::vector<float>{0, 0});  // shows the filter of the step before
  EXPECT_EQ(trace.Record(0), (std::vector<double>{4, 2}));
}

}  // namespace
}  // namespace spikeserve::engine
