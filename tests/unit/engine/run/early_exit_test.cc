// Early exit: where it stops, that it reports what a run of so many steps gives, and what it refuses.

#include "server/engine/run/early_exit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/definitions.h"
#include "tests/support/reading_bytes.h"
#include "tests/support/run.h"

namespace spikeserve::engine {
namespace {

using testing::Bytes;
using ::testing::HasSubstr;
using testing::Sample;

SimulationSpec Spec(std::int64_t steps) {
  SimulationSpec spec;
  spec.settings.steps = steps;
  spec.inputs = {{DataType::kFloat32, false}};
  spec.probes = {0};
  return spec;
}

// Three outputs that grow apart at a speed that the input sets.
NetworkDefinition Race() {
  NetworkDefinition network = testing::SmallMlp();
  std::get<NeuronOperation>(network.operations[2].kind).gain = 30.0;
  network.tensors[2] = testing::Tensor("w1", {3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1});
  network.probes[0].synapse = Lowpass{0.005};
  return network;
}

std::vector<Sample> Samples() {
  std::vector<Sample> samples;
  for (const float x : {0.0F, 0.3F, 0.7F, 1.5F, 4.0F, -1.0F, 2.2F}) {
    samples.push_back({{Bytes(std::vector{x, 0.5F})}});
  }
  return samples;
}

class EarlyExitOf : public ::testing::TestWithParam<Mode> {};

TEST_P(EarlyExitOf, GivesWhatARunOfThatManyStepsGives) {
  const testing::Loaded loaded = testing::Load(Race(), GetParam(), 2);
  const std::vector<Sample> samples = Samples();
  SimulationSpec spec = Spec(80);
  spec.statistics = true;
  spec.early_exit = EarlyExit{0, 10, 7, 260};
  const Reading reading = testing::Simulate(loaded, spec, samples, {3, 50, 27});
  ASSERT_EQ(reading.steps_used.size(), samples.size());
  int stopped = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const std::int64_t used = reading.steps_used[i];
    EXPECT_TRUE(used == 80 || (used >= 10 && (used - 10) % 7 == 0)) << used;
    stopped += used < 80 ? 1 : 0;
    SimulationSpec plain = Spec(80);
    plain.statistics = true;
    const auto width = static_cast<std::size_t>(reading.probes[0].size);
    const auto values = std::span(reading.probes[0].values).subspan(i * width, width);
    EXPECT_TRUE(used == 80 || Margin(values) >= 260);
    for (std::int64_t check = 10; check < used; check += 7) {
      plain.settings.steps = check;
      EXPECT_LT(Margin(testing::Simulate(loaded, plain, {samples[i]}).probes[0].values), 260) << check;
    }
    plain.settings.steps = used;
    EXPECT_EQ(testing::ReadingBytes(testing::Simulate(loaded, plain, {samples[i]}), 0),
              testing::ReadingBytes(reading, i));
  }
  EXPECT_GE(stopped, 3);  // else this test says nothing
  EXPECT_LT(stopped, 7);
}

TEST_P(EarlyExitOf, IsFinishedOnceAllSamplesAre) {
  const testing::Loaded loaded = testing::Load(Race(), GetParam());
  SimulationSpec spec = Spec(100);
  spec.early_exit = EarlyExit{0, 5, 1, 0};
  const Sample sample = Samples()[3];
  const std::vector<SampleInputs> inputs{{{sample.inputs[0].data()}}};
  const auto simulation = testing::NewSimulation(*loaded.network, spec, inputs);
  ASSERT_TRUE(simulation.ok());
  ASSERT_TRUE(simulation.value()->Advance(4).ok());
  EXPECT_FALSE(simulation.value()->finished());
  ASSERT_TRUE(simulation.value()->Advance(4).ok());
  EXPECT_TRUE(simulation.value()->finished());
  EXPECT_EQ(simulation.value()->Read().value().steps_used, std::vector<std::int64_t>{5});
}

TEST_P(EarlyExitOf, RefusesWhatItCannotBeCombinedWith) {
  const testing::Loaded loaded = testing::Load(Race(), GetParam());
  const std::vector<SampleInputs> inputs{{{nullptr}}};
  const auto refusal = [&](auto change) {
    SimulationSpec spec = Spec(10);
    spec.early_exit = EarlyExit{0, 1, 1, 1};
    change(spec);
    return testing::NewSimulation(*loaded.network, spec, inputs).status().message();
  };
  EXPECT_THAT(refusal([](SimulationSpec& spec) { spec.trajectories = true; }), HasSubstr("trajectories"));
  EXPECT_THAT(refusal([](SimulationSpec& spec) { spec.early_exit->probe = 1; }),
              HasSubstr("early_exit: needs an OUTPUT probe"));
  EXPECT_THAT(refusal([](SimulationSpec& spec) { spec.early_exit->check_every = 0; }),
              HasSubstr("check_every"));
  EXPECT_THAT(refusal([](SimulationSpec& spec) { spec.early_exit->margin = std::nan(""); }),
              HasSubstr("margin"));
}

INSTANTIATE_TEST_SUITE_P(Modes, EarlyExitOf, ::testing::Values(Mode::kExact, Mode::kReference));

TEST(Margin, IsBestMinusSecondBest) {
  EXPECT_EQ(Margin(std::vector<double>{1, 5, 3}), 2);
  EXPECT_EQ(Margin(std::vector<double>{5, 5, 3}), 0);
  EXPECT_EQ(Margin(std::vector<double>{-1}), std::numeric_limits<double>::infinity());
}

TEST(NextCheck, IsTheFirstOneBeyond) {
  const EarlyExit rule{.probe = 0, .min_steps = 10, .check_every = 7, .margin = 0};
  EXPECT_EQ(NextCheck(rule, 0), 10);
  EXPECT_EQ(NextCheck(rule, 9), 10);
  EXPECT_EQ(NextCheck(rule, 10), 17);
  EXPECT_EQ(NextCheck(rule, 16), 17);
}

// Says that it is finished once it was looked at `looks` times.
class Counted final : public ExitingRun {
 public:
  explicit Counted(std::size_t looks) : looks_(looks) {}
  std::int64_t steps_done() const override { return done_; }
  bool finished() const override { return seen_.size() == looks_; }
  Status AdvanceTo(std::int64_t step) override {
    if (step > lost_at) {
      return Unavailable("lost");
    }
    done_ = step;
    return {};
  }
  void Look() override { seen_.push_back(done_); }

  const std::vector<std::int64_t>& seen() const { return seen_; }
  std::int64_t lost_at = 1000;

 private:
  const std::size_t looks_;
  std::int64_t done_ = 0;
  std::vector<std::int64_t> seen_;
};

TEST(AdvanceUntilClear, LooksAtTheChecksAloneWhateverThePieces) {
  const EarlyExit rule{.probe = 0, .min_steps = 10, .check_every = 7, .margin = 0};
  Counted run(100);
  for (const std::int64_t end : {3, 10, 12, 30}) {
    EXPECT_TRUE(AdvanceUntilClear(rule, end, run).ok());
    EXPECT_EQ(run.steps_done(), end);
  }
  EXPECT_EQ(run.seen(), (std::vector<std::int64_t>{10, 17, 24}));
}

TEST(AdvanceUntilClear, EndsOnceFinishedOrBroken) {
  const EarlyExit rule{.probe = 0, .min_steps = 4, .check_every = 4, .margin = 0};
  Counted finishes(2);
  EXPECT_TRUE(AdvanceUntilClear(rule, 100, finishes).ok());
  EXPECT_EQ(finishes.steps_done(), 8);
  Counted breaks(100);
  breaks.lost_at = 8;
  EXPECT_EQ(AdvanceUntilClear(rule, 100, breaks).code(), StatusCode::kUnavailable);
  EXPECT_EQ(breaks.seen(), (std::vector<std::int64_t>{4, 8}));
}

TEST(EarlyStops, StopWhatIsClearOrToldTo) {
  EarlyStops stops({.probe = 0, .min_steps = 1, .check_every = 1, .margin = 2}, 2);
  stops.Look(0, 5, std::vector<double>{1, 2});
  EXPECT_FALSE(stops.stopped(0));
  stops.Look(0, 6, std::vector<double>{1, 3});
  EXPECT_EQ(stops.steps(0), 6);
  EXPECT_FALSE(stops.finished());
  stops.Stop(1, 0);  // failed in its first step
  EXPECT_TRUE(stops.finished());
}

// Of two samples with two outputs each.
Reading ReadingAt(std::int64_t done, std::vector<double> values) {
  Reading reading;
  reading.steps_done = done;
  reading.probes = {{.size = 2, .values = std::move(values), .trajectory = {}}};
  reading.spikes = {done, 10 * done};
  reading.steps_used = {done, done};
  reading.sample_status.resize(2);
  return reading;
}

TEST(StoppedAnswers, KeepWhatEachSaidWhenItStopped) {
  StoppedAnswers answers({.probe = 0, .min_steps = 1, .check_every = 1, .margin = 2}, 2);
  const auto look = [&](const Reading& reading, bool second_failed) {
    answers.Look(0, false, reading);
    answers.Look(1, second_failed, reading);
  };
  look(ReadingAt(1, {1, 2, 3, 4}), false);
  Reading now = ReadingAt(1, {1, 2, 3, 4});
  answers.Apply(now);
  EXPECT_EQ(now.steps_used, (std::vector<std::int64_t>{1, 1}));
  look(ReadingAt(2, {1, 5, 3, 4}), false);
  EXPECT_FALSE(answers.finished());
  now = ReadingAt(3, {0, 0, 0, 1});
  answers.Apply(now);
  EXPECT_EQ(now.steps_used, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(now.probes[0].values, (std::vector<double>{1, 5, 0, 1}));
  EXPECT_EQ(now.spikes, (std::vector<std::int64_t>{2, 30}));
  look(ReadingAt(4, {0, 9, 7, 7}), true);
  EXPECT_TRUE(answers.finished());
  const Reading all = answers.All();
  EXPECT_EQ(all.steps_used, (std::vector<std::int64_t>{2, 4}));
  EXPECT_EQ(all.probes[0].values, (std::vector<double>{1, 5, 7, 7}));
  EXPECT_EQ(all.spikes, (std::vector<std::int64_t>{2, 40}));
}

}  // namespace
}  // namespace spikeserve::engine
