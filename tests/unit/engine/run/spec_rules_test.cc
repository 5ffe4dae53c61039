#include "server/engine/run/spec_rules.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/definitions.h"

namespace spikeserve::engine {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

TEST(SpecRules, AProblemSaysWhatItGotWhereFromAndWhatIsAllowed) {
  EXPECT_FALSE(StepsProblem(1, 10) || StepsProblem(10, 10) || StepsProblem(kMost));
  EXPECT_EQ(StepsProblem(0, 10)->Text(), "steps: got 0, allowed 1..10");
  EXPECT_EQ(StepsProblem(11, 10)->Text(" (the network's default)"),
            "steps: got 11 (the network's default), allowed 1..10");
}

TEST(SpecRules, DtIsAFinitePositiveNumber) {
  EXPECT_FALSE(DtProblem(1e-3) || DtProblem(1e300) || DtProblem(1e-3, 1e-3, 1e-3));
  for (const double dt : {0.0, -1e-3, std::nan(""), HUGE_VAL}) {
    EXPECT_TRUE(DtProblem(dt)) << dt;
  }
  EXPECT_EQ(DtProblem(2, 1e-9, 1)->Text(), "dt: got 2 s, allowed 1e-09..1 s");
}

TEST(SpecRules, SkipLeavesAStep) {
  EXPECT_FALSE(SkipProblem(0, 1) || SkipProblem(9, 10));
  EXPECT_EQ(SkipProblem(10, 10)->Text(), "skip_steps: got 10, allowed 0..9, below the 10 steps of the run");
  EXPECT_TRUE(SkipProblem(-1, 10));
}

TEST(SpecRules, AWindowLiesInTheRun) {
  const auto problem = [](std::int64_t first, std::int64_t last, std::int64_t every, std::int64_t steps) {
    return RecordingProblem({Reduction::kNone, first, last, every}, steps).value_or("");
  };
  EXPECT_EQ(problem(1, 10, 1, 10), "");
  EXPECT_EQ(problem(10, 10, 3, 10), "");
  EXPECT_EQ(problem(1, 10, 0, 10), "every: got 0, allowed 1 and above");
  EXPECT_EQ(problem(0, 10, 1, 10), "first_step: got 0, allowed 1..10");
  EXPECT_EQ(problem(11, 11, 1, 10), "first_step: got 11, allowed 1..10");
  EXPECT_EQ(problem(4, 3, 1, 10), "last_step: got 3, allowed 4..10");
  EXPECT_EQ(problem(4, 11, 1, 10), "last_step: got 11, allowed 4..10");
  EXPECT_FALSE(RecordingProblem(Recording()));  // open to the end
}

TEST(SpecRules, ProbesReadWhatALayerHas) {
  const Network network = Network::Create(testing::SmallMlp(), {}).value();
  EXPECT_FALSE(CanProbe(network, 0) || CanProbe(network, 1) || CanProbe(network, -1) || CanProbe(network, 4));
  EXPECT_TRUE(CanProbe(network, 2));  // the neurons
  EXPECT_TRUE(CanProbe(network, 3));  // what the network's own probe reads
  for (const ProbeQuantity quantity :
       {ProbeQuantity::kCurrent, ProbeQuantity::kSpikes, ProbeQuantity::kVoltage}) {
    EXPECT_TRUE(HasQuantity(network, 2, quantity));
    EXPECT_FALSE(HasQuantity(network, 3, quantity));
  }
  EXPECT_TRUE(HasQuantity(network, 3, ProbeQuantity::kOutput));
  EXPECT_FALSE(HasQuantity(network, 2, ProbeQuantity::kUnspecified));
}

TEST(SpecRules, EarlyExitStandsAlone) {
  const auto problem = [](auto change) {
    SimulationSpec spec;
    spec.probes = {0};
    spec.early_exit = EarlyExit{0, 1, 1, 0};
    change(spec);
    return EarlyExitProblem(spec).value_or("");
  };
  EXPECT_EQ(problem([](SimulationSpec&) {}), "");
  EXPECT_EQ(problem([](SimulationSpec& spec) { spec.early_exit->probe = -1; }),
            "early_exit: needs an OUTPUT probe among `probes`");
  EXPECT_EQ(problem([](SimulationSpec& spec) { spec.session = true; }), "early_exit: a session has none");
  EXPECT_EQ(problem([](SimulationSpec& spec) { spec.request_probes.emplace_back(); }),
            "early_exit: not with trajectories or request_probes, as samples end at different steps");
  EXPECT_EQ(problem([](SimulationSpec& spec) { spec.early_exit->margin = -1; }),
            "early_exit.margin: got -1, allowed 0 and above");
  EXPECT_NE(problem([](SimulationSpec& spec) { spec.early_exit->margin = std::nan(""); }), "");
}

}  // namespace
}  // namespace spikeserve::engine
