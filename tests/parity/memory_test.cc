// Neurons with memory: what a run computes at once is what its steps come to, by bytes, and what float64
// comes to step by step, but for spikes at a tie.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/cpu/target.h"
#include "server/engine/network/neuron_models.h"
#include "tests/support/count_readers.h"
#include "tests/support/cpu_targets.h"
#include "tests/support/definitions.h"
#include "tests/support/memory_chains.h"
#include "tests/support/random.h"
#include "tests/support/random_cnn.h"
#include "tests/support/random_network.h"
#include "tests/support/reading_bytes.h"
#include "tests/support/run.h"

namespace spikeserve::testing {
namespace {

using engine::CpuPath;
using engine::Mode;
using engine::Reading;

constexpr int kNetworks = 120;
constexpr std::size_t kSamples = 5;

// What a reading says of a sample but for its trajectories.
std::string Told(Reading reading, std::size_t sample) {
  for (engine::ProbeReading& probe : reading.probes) {
    probe.trajectory.clear();
  }
  return ReadingBytes(reading, sample);
}

class Memory : public ::testing::TestWithParam<int> {
 protected:
  ~Memory() override { kernels::ForceCpuTarget(""); }
  Memory()
      : network_(Make(static_cast<std::uint64_t>(GetParam()))),
        samples_(RandomSamples(network_, kSamples, static_cast<std::uint64_t>(GetParam()))) {}

  static RandomNetwork Make(std::uint64_t seed) {
    RandomNetwork network = MakeMemoryNetwork(seed);
    return seed % 3 == 0 ? WithCountReaders(std::move(network), seed) : network;
  }

  // Every step of the output is wanted, so that every step is taken.
  Reading Steps(Mode mode, const std::vector<std::int64_t>& chunks = {}) const {
    engine::SimulationSpec spec = network_.spec;
    spec.trajectories = true;
    return Simulate(Load(network_.definition, mode, 1, CpuPath::kPlain), spec, samples_, chunks);
  }

  // Whether a spike counts for so many in some neuron that 8 bits do not resolve single ones.
  bool IsTooCoarse() const {
    try {
      Load(network_.definition, Mode::kInt8);
      return false;
    } catch (const std::runtime_error& error) {
      return std::string(error.what()).find("int8: 2^6") != std::string::npos;
    }
  }

  static void ExpectSame(const Reading& got, const Reading& steps, const std::string& how) {
    for (std::size_t i = 0; i < kSamples; ++i) {
      ASSERT_TRUE(got.sample_status[i].ok()) << got.sample_status[i].message();
      EXPECT_TRUE(Told(got, i) == Told(steps, i)) << how << ", sample " << i;
    }
  }

  RandomNetwork network_;
  std::vector<Sample> samples_;
};

TEST_P(Memory, AtOnceIsWhatStepsComeTo) {
  for (const Mode mode : {Mode::kExact, Mode::kFast, Mode::kInt8}) {
    if (mode == Mode::kInt8 && IsTooCoarse()) {
      continue;
    }
    const Reading steps = Steps(mode);
    engine::SimulationSpec spec = network_.spec;
    ExpectSame(Simulate(Load(network_.definition, mode, 1, CpuPath::kPlain), spec, samples_), steps, "plain");
    for (const std::string& target : kernels::CpuTargets()) {
      kernels::ForceCpuTarget(target);
      for (const bool in_one : {false, true}) {
        spec.in_one = in_one;
        ExpectSame(Simulate(Load(network_.definition, mode, 2), spec, samples_), steps, target);
      }
    }
    kernels::ForceCpuTarget("");
  }
}

TEST_P(Memory, PiecesChangeNothing) {
  const Reading steps = Steps(Mode::kExact);
  const std::int64_t all = network_.spec.settings.steps;
  const Loaded loaded = Load(network_.definition, Mode::kExact, 2);
  ExpectSame(
      Simulate(loaded, network_.spec, samples_, std::vector<std::int64_t>(static_cast<std::size_t>(all), 1)),
      steps, "one by one");
  ExpectSame(Simulate(loaded, network_.spec, samples_, {all / 2, all - all / 2}), steps, "in halves");
}

TEST_P(Memory, ReportsAreWhatShorterRunsAnswer) {
  const std::int64_t half = network_.spec.settings.steps / 2;
  std::vector<engine::SampleInputs> inputs;
  for (const Sample& sample : samples_) {
    engine::SampleInputs& one = inputs.emplace_back();
    one.index = sample.index.value_or(0);
    for (const std::vector<std::byte>& input : sample.inputs) {
      one.data.push_back(input.data());
    }
  }
  const Loaded loaded = Load(network_.definition, Mode::kExact, 1);
  auto simulation = NewSimulation(*loaded.network, network_.spec, inputs);
  ASSERT_TRUE(simulation.ok());
  ASSERT_TRUE(simulation.value()->Advance(half).ok());
  const Reading report = simulation.value()->Read().value();
  engine::SimulationSpec shorter = network_.spec;
  shorter.settings.steps = half;
  shorter.trajectories = true;
  shorter.settings.readout.skip_steps = 0;
  if (network_.spec.settings.readout.skip_steps > 0) {
    return;  // a shorter run may not skip as much
  }
  ExpectSame(report, Simulate(Load(network_.definition, Mode::kExact, 1, CpuPath::kPlain), shorter, samples_),
             "half way");
}

// Adds probes of all that neurons show at every step.
void RecordAll(const engine::NetworkDefinition& network, engine::SimulationSpec& spec) {
  spec.trajectories = true;
  for (std::size_t op = 0; op < network.operations.size(); ++op) {
    const auto* neuron = std::get_if<engine::NeuronOperation>(&network.operations[op].kind);
    if (engine::ReadsCounts(network.operations[op].kind)) {
      spec.request_probes.push_back(
          {static_cast<std::int64_t>(op), engine::ProbeQuantity::kSpikes, std::nullopt, {}});
    }
    for (const auto quantity : {engine::ProbeQuantity::kSpikes, engine::ProbeQuantity::kVoltage,
                                engine::ProbeQuantity::kCurrent, engine::ProbeQuantity::kOutput}) {
      if (neuron != nullptr && engine::Remembers(neuron->model)) {
        spec.request_probes.push_back({static_cast<std::int64_t>(op), quantity, std::nullopt, {}});
      }
    }
  }
}

// Steps that are computed beside each other are those that are taken one after the other.
void ExpectSameSteps(const RandomNetwork& network, std::uint64_t seed) {
  const std::vector<Sample> samples = RandomSamples(network, 3, seed);
  for (const bool all : {false, true}) {
    engine::SimulationSpec spec = network.spec;
    spec.statistics = true;
    spec.gross_statistics = all;
    spec.trajectories = true;
    if (all) {
      RecordAll(network.definition, spec);
    }
    const Reading steps = Simulate(Load(network.definition, Mode::kExact, 1, CpuPath::kPlain), spec, samples);
    OnEveryCpuTarget([&] {
      const Reading got = Simulate(Load(network.definition, Mode::kExact, 2), spec, samples);
      for (std::size_t i = 0; i < samples.size(); ++i) {
        ASSERT_EQ(got.sample_status[i].message(), steps.sample_status[i].message());
        EXPECT_TRUE(ReadingBytes(got, i) == ReadingBytes(steps, i)) << "sample " << i << ", all " << all;
      }
      for (std::size_t r = 0; r < got.records.size(); ++r) {
        EXPECT_EQ(got.records[r].values, steps.records[r].values) << r;
      }
    });
  }
}

TEST_P(Memory, StepsBesideEachOtherAreThoseOneByOne) {
  ExpectSameSteps(network_, static_cast<std::uint64_t>(GetParam()));
}

TEST_P(Memory, OracleAgrees) {
  engine::SimulationSpec spec = network_.spec;
  const Reading exact = Simulate(Load(network_.definition, Mode::kExact), spec, samples_);
  const Reading oracle = Simulate(Load(network_.definition, Mode::kReference), spec, samples_);
  double largest = 0, off = 0;
  for (std::size_t i = 0; i < exact.probes[0].values.size(); ++i) {
    largest = std::max(largest, std::abs(oracle.probes[0].values[i]));
    off += std::abs(exact.probes[0].values[i] - oracle.probes[0].values[i]);
  }
  EXPECT_LE(off / static_cast<double>(exact.probes[0].values.size()), 2e-2 * largest);
}

// As users have them: image, convolutions, pools, dense layers. Counts of one to three digits.
class MemoryCnn : public ::testing::TestWithParam<int> {
 protected:
  static RandomNetwork Make(double factor) {
    const auto seed = static_cast<std::uint64_t>(GetParam());
    RandomNetwork network = MakeMemoryCnn(seed, factor);
    for (engine::OperationDefinition& operation : network.definition.operations) {
      auto* neuron = std::get_if<engine::NeuronOperation>(&operation.kind);
      if (neuron != nullptr && seed % 3 == 1) {  // counts below 0
        std::get<engine::MemoryRectifiedLinear>(neuron->model).negative_slope = 0.75;
      }
    }
    return seed % 2 == 0 ? WithCountReaders(std::move(network), seed, factor) : network;
  }
  ~MemoryCnn() override { kernels::ForceCpuTarget(""); }
};

TEST_P(MemoryCnn, StepsBesideEachOtherAreThoseOneByOne) {
  constexpr double kFactors[] = {1, 30, 8000};
  const auto seed = static_cast<std::uint64_t>(GetParam());
  ExpectSameSteps(Make(kFactors[seed % 3]), seed);
}

TEST_P(MemoryCnn, AtOnceIsWhatStepsComeTo) {
  for (const double factor : {1.0, 30.0, 8000.0}) {
    const RandomNetwork network = Make(factor);
    const std::vector<Sample> samples = RandomSamples(network, 3, static_cast<std::uint64_t>(GetParam()));
    engine::SimulationSpec spec = network.spec;
    spec.trajectories = true;
    const Reading steps = Simulate(Load(network.definition, Mode::kExact, 1, CpuPath::kPlain), spec, samples);
    spec.trajectories = false;
    for (const std::string& target : kernels::CpuTargets()) {
      kernels::ForceCpuTarget(target);
      const Reading got = Simulate(Load(network.definition, Mode::kExact, 1), spec, samples);
      for (std::size_t i = 0; i < samples.size(); ++i) {
        ASSERT_TRUE(steps.sample_status[i].ok()) << steps.sample_status[i].message();
        EXPECT_TRUE(Told(got, i) == Told(steps, i)) << target << ", factor " << factor << ", sample " << i;
      }
    }
    kernels::ForceCpuTarget("");
  }
}

// Few samples: threads share their layers.
TEST(MemoryOfThreads, SharedLayersAreThoseOfOneThread) {
  const RandomNetwork network = WithMemory(MakeWideCnn(1), 30);
  const std::vector<Sample> samples = RandomSamples(network, 2, 1);
  for (const Mode mode : {Mode::kExact, Mode::kInt8}) {
    const Reading alone = Simulate(Load(network.definition, mode, 1), network.spec, samples);
    const Reading shared = Simulate(Load(network.definition, mode, 5), network.spec, samples);
    for (std::size_t i = 0; i < samples.size(); ++i) {
      ASSERT_TRUE(alone.sample_status[i].ok()) << alone.sample_status[i].message();
      EXPECT_TRUE(ReadingBytes(shared, i) == ReadingBytes(alone, i)) << "sample " << i;
    }
  }
}

// Bytes that are pooled first: sums of one, two and three digits.
TEST(MemoryOfPools, AtOnceIsWhatStepsComeTo) {
  for (const std::int64_t side : {1, 2, 10, 20}) {
    engine::NetworkDefinition network = SmallMlp();
    network.operations = {
        {"input", engine::InputOperation{{20, 20, 1}, 1.0 / 255, -0.25}},
        {"pool",
         engine::PoolOperation{
             engine::PoolKind::kAverage, {side, side}, {side, side}, {0, 0}, {0, 0}, false}},
        {"flat", engine::ReshapeOperation{{400 / side / side}}},
        {"dense", engine::AffineOperation{"w0", "b0"}},
        {"spikes",
         engine::NeuronOperation{engine::MemoryRectifiedLinear{}, 300.0, {}, engine::ConstantVoltage{0.5}}},
        {"output", engine::AffineOperation{"w1", ""}}};
    network.connections = {{"input", "pool", {}},
                           {"pool", "flat", {}},
                           {"flat", "dense", {}},
                           {"dense", "spikes", {}},
                           {"spikes", "output", {}}};
    Random random(3);
    network.tensors[0] = Tensor("w0", {3, 400 / side / side}, random.Floats(1200 / side / side, -1, 1.5));
    engine::SimulationSpec spec;
    spec.settings.steps = 40;
    spec.inputs = {{.type = engine::DataType::kUint8}};
    spec.probes = {0};
    spec.statistics = true;
    std::vector<Sample> samples(2);
    for (Sample& sample : samples) {
      sample.inputs.resize(1);
      for (int i = 0; i < 400; ++i) {
        sample.inputs[0].push_back(static_cast<std::byte>(random.Between(100, 255)));
      }
    }
    engine::SimulationSpec stepped = spec;
    stepped.trajectories = true;
    const Reading steps = Simulate(Load(network, Mode::kExact, 1, CpuPath::kPlain), stepped, samples);
    OnEveryCpuTarget([&] {
      const Reading got = Simulate(Load(network, Mode::kExact), spec, samples);
      EXPECT_GT(got.spikes[0], 0);
      EXPECT_TRUE(Told(got, 0) == Told(steps, 0)) << side;
      EXPECT_TRUE(Told(got, 1) == Told(steps, 1)) << side;
    });
  }
}

// Rows of 4 and of 6 that 24 neurons share have no period in common but 2.
TEST(MemoryOfTerms, WithRowCountsThatDoNotDivideEachOther) {
  engine::NetworkDefinition network = SmallMlp();
  Random random(4);
  network.operations = {{"input", engine::InputOperation{{24}, {}, {}}},
                        {"r4", engine::ReshapeOperation{{6, 4}}},
                        {"a4", engine::AffineOperation{"w4", ""}},
                        {"f4", engine::ReshapeOperation{{24}}},
                        {"r6", engine::ReshapeOperation{{4, 6}}},
                        {"a6", engine::AffineOperation{"w6", ""}},
                        {"f6", engine::ReshapeOperation{{24}}},
                        {"sum", engine::WeightedSumOperation{{1, 1}}},
                        {"first", Remembering(100)},
                        {"second", Remembering(1)},
                        {"output", engine::AffineOperation{"w", ""}}};
  network.connections = {{"input", "first", {}}, {"first", "r4", {}},     {"r4", "a4", {}},
                         {"a4", "f4", {}},       {"first", "r6", {}},     {"r6", "a6", {}},
                         {"a6", "f6", {}},       {"f4", "sum", {}},       {"f6", "sum", {}},
                         {"sum", "second", {}},  {"second", "output", {}}};
  std::vector<float> uneven = random.Floats(16, -1, 1);
  std::for_each(uneven.begin(), uneven.begin() + 4, [](float& weight) { weight *= 16; });
  network.tensors = {Tensor("w4", {4, 4}, uneven), Tensor("w6", {6, 6}, random.Floats(36, -1, 1)),
                     Tensor("w", {3, 24}, random.Floats(72, -1, 1))};
  engine::SimulationSpec spec = OfBytes(50);
  spec.inputs = {{}};
  const std::vector<Sample> samples = {{{Bytes(random.Floats(24, 0, 10))}}};
  const Reading exact = Simulate(Load(network, Mode::kExact), spec, samples);
  const Reading oracle = Simulate(Load(network, Mode::kReference), spec, samples);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(exact.probes[0].values[i], oracle.probes[0].values[i], 0.01 * 1000);
  }
}

// What one sample of a group has too much of is nothing to the others, and what fits step by step fits at
// once.
TEST(MemoryOfGroups, EachSampleIsAsIfItWereAlone) {
  const engine::NetworkDefinition network = LargeCounts();
  const std::vector<Sample> samples = {{{std::vector<std::byte>(9, std::byte{3})}},
                                       {{std::vector<std::byte>(9, std::byte{255})}},
                                       {{std::vector<std::byte>(9, std::byte{1})}}};
  engine::SimulationSpec spec = OfBytes(4);
  engine::SimulationSpec stepped = spec;
  stepped.trajectories = true;
  const Reading steps = Simulate(Load(network, Mode::kExact, 1, CpuPath::kPlain), stepped, samples);
  OnEveryCpuTarget([&] {
    const Reading got = Simulate(Load(network, Mode::kExact), spec, samples);
    for (std::size_t i = 0; i < samples.size(); ++i) {
      EXPECT_EQ(got.sample_status[i].code(), steps.sample_status[i].code()) << i;
      EXPECT_TRUE(!got.sample_status[i].ok() || Told(got, i) == Told(steps, i)) << i;
    }
    EXPECT_TRUE(got.sample_status[0].ok());
  });
}

TEST(MemoryOfOffsets, AreInTheRangeThatIsChecked) {
  for (const double offset : {-0.5, 1e7, 1e9, 1e10, -1e9}) {
    const engine::NetworkDefinition network = LargeOffset(offset);
    const std::vector<Sample> samples = {{{std::vector<std::byte>(2, std::byte{9})}}};
    for (const std::int64_t steps : {1, 7, 33, 150, 199}) {
      engine::SimulationSpec spec = OfBytes(steps);
      const Reading got = Simulate(Load(network, Mode::kExact), spec, samples);
      spec.trajectories = true;
      const Reading plain = Simulate(Load(network, Mode::kExact, 1, CpuPath::kPlain), spec, samples);
      EXPECT_EQ(got.sample_status[0].code(), plain.sample_status[0].code()) << offset << ", " << steps;
      EXPECT_TRUE(!got.sample_status[0].ok() || Told(got, 0) == Told(plain, 0)) << offset << ", " << steps;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, MemoryCnn, ::testing::Range(1, 25));
INSTANTIATE_TEST_SUITE_P(Networks, Memory, ::testing::Range(1, kNetworks + 1));

}  // namespace
}  // namespace spikeserve::testing
