// Networks of one hidden layer behind an input that is held: their spikes are counted without taking the
// steps wherever nobody reads what the steps leave. Against the plain loops, by bytes.

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <vector>

#include "kernels/cpu/target.h"
#include "tests/support/definitions.h"
#include "tests/support/random.h"
#include "tests/support/reading_bytes.h"
#include "tests/support/run.h"

namespace spikeserve::testing {
namespace {

using engine::CpuPath;
using engine::Mode;
using engine::Reading;
using engine::ReadoutKind;

constexpr std::int64_t kIn = 20, kHidden = 70, kOut = 3, kSamples = 30;

engine::NetworkDefinition HiddenLayer(bool is_signed, Random& random) {
  engine::NetworkDefinition network = SmallMlp();
  network.operations[0].kind = engine::InputOperation{{kIn}, {}, {}};
  if (!is_signed) {
    network.operations[2].kind = engine::NeuronOperation{engine::SpikingRectifiedLinear{1.0}, {}, {}, {}};
  }
  network.tensors = {Tensor("w0", {kHidden, kIn}, random.Floats(kHidden * kIn, -200, 250)),
                     Tensor("b0", {kHidden}, random.Floats(kHidden, -50, 50)),
                     Tensor("w1", {kOut, kHidden}, random.Floats(kOut * kHidden, -1, 1))};
  return network;
}

std::vector<Sample> Inputs(Random& random) {
  std::vector<Sample> samples;
  for (std::int64_t i = 0; i < kSamples; ++i) {
    samples.push_back({{Bytes(random.Floats(kIn, 0, 1))}});
  }
  return samples;
}

engine::SimulationSpec Spec(std::int64_t steps) {
  engine::SimulationSpec spec;
  spec.settings.steps = steps;
  spec.inputs = {{}};
  spec.probes = {0};
  spec.statistics = true;
  return spec;
}

class HeldDrive : public ::testing::TestWithParam<bool> {
 protected:
  ~HeldDrive() override { kernels::ForceCpuTarget(""); }

  HeldDrive() : network_(HiddenLayer(GetParam(), random_)), samples_(Inputs(random_)) {}

  // On every target, in one and in `pieces`.
  void ExpectPlainBytes(engine::SimulationSpec spec, const std::vector<std::int64_t>& pieces) {
    const Reading plain = Simulate(Load(network_, Mode::kExact, 1, CpuPath::kPlain), spec, samples_);
    for (const std::string& target : kernels::CpuTargets()) {
      kernels::ForceCpuTarget(target);
      const Loaded loaded = Load(network_, Mode::kExact, 2);
      spec.in_one = false;
      ExpectSame(Simulate(loaded, spec, samples_, pieces), plain, target + ", in pieces");
      spec.in_one = true;
      ExpectSame(Simulate(loaded, spec, samples_), plain, target + ", in one");
    }
    kernels::ForceCpuTarget("");
  }

  static void ExpectSame(const Reading& got, const Reading& plain, const std::string& how) {
    for (std::size_t i = 0; i < Index(kSamples); ++i) {
      ASSERT_TRUE(ReadingBytes(got, i) == ReadingBytes(plain, i)) << how << ", sample " << i;
    }
  }

  static std::size_t Index(std::int64_t index) { return static_cast<std::size_t>(index); }

  Random random_{7};
  const engine::NetworkDefinition network_;
  const std::vector<Sample> samples_;
};

TEST_P(HeldDrive, MeanAndLast) {
  for (const ReadoutKind kind : {ReadoutKind::kMean, ReadoutKind::kLast, ReadoutKind::kCorrectedMean}) {
    for (const std::int64_t steps : {2, 100, 129, 1024, 1100}) {
      engine::SimulationSpec spec = Spec(steps);
      spec.settings.readout.kind = kind;
      ExpectPlainBytes(spec, {1, steps - 1});
    }
  }
}

TEST_P(HeldDrive, WithoutTheFirstSteps) {
  engine::SimulationSpec spec = Spec(300);
  spec.settings.readout.skip_steps = 120;
  ExpectPlainBytes(spec, {150, 150});
}

TEST_P(HeldDrive, UntilTheAnswerIsClear) {
  engine::SimulationSpec spec = Spec(200);
  spec.early_exit = engine::EarlyExit{0, 20, 30, 0.05};
  ExpectPlainBytes(spec, {100, 100});
}

// How often a run of `steps` in one looks whether it is to stop.
std::int64_t Looks(const engine::NetworkDefinition& network, std::int64_t inputs, std::int64_t steps) {
  const Loaded loaded = Load(network, Mode::kExact);
  const std::vector<std::byte> input = Bytes(std::vector<float>(static_cast<std::size_t>(inputs), 100.0F));
  engine::SampleInputs sample;
  sample.data.push_back(input.data());
  engine::SimulationSpec spec = Spec(steps);
  spec.in_one = true;
  auto simulation = NewSimulation(*loaded.network, spec, std::span(&sample, 1)).value();
  std::int64_t looks = 0;
  EXPECT_TRUE(simulation->Advance(steps, [&] { return ++looks < 0; }).ok());
  return looks;
}

TEST(HeldDriveRun, LooksWhetherToStopAfterASecondOfSlowNeurons) {
  Random random(1);
  EXPECT_EQ(Looks(HiddenLayer(true, random), kIn, 1024), 1);
  constexpr std::int64_t kRow = 65'000;
  const engine::NeuronOperation neurons{engine::IntegrateAndFire{1.0}, {}, {}, {}};
  EXPECT_EQ(Looks(SingleOperation(neurons, {2, kRow}), 2 * kRow, 256), 2);
}

INSTANTIATE_TEST_SUITE_P(SignedOrNot, HeldDrive, ::testing::Bool());

}  // namespace
}  // namespace spikeserve::testing
