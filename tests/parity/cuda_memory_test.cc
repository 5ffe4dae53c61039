// Neurons with memory on the CUDA backend: what the CPU answers, by bytes, in every mode of integers, and
// which runs of them the GPU takes. On the host in the role of a GPU in every order, and on the GPU where
// there is one.

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "server/engine/cuda/layout/closed_program.h"
#include "server/engine/network/neuron_models.h"
#include "server/engine/plan/compile.h"
#include "tests/support/count_readers.h"
#include "tests/support/cuda_pairs.h"
#include "tests/support/memory_chains.h"
#include "tests/support/random.h"
#include "tests/support/random_cnn.h"

namespace spikeserve::testing {
namespace {

using engine::Mode;
using engine::Reading;

constexpr int kNetworks = 96;
constexpr int kImageNetworks = 16;

// Why the CPU would run it; empty: the GPU does.
std::string WhyForCpu(const RandomNetwork& network, const cuda::DeviceLimits& limits = SmallLimits()) {
  auto checked =
      std::make_shared<const engine::Network>(engine::Network::Create(network.definition, {}).value());
  const engine::Plan plan = engine::Compile(checked, {}).value();
  const engine::CheckedSpec spec = engine::CheckedSpec::Create(*checked, network.spec).value();
  const engine::CudaWeights weights(plan);
  return engine::WhyForCpu(engine::CudaRun(plan, weights, spec), limits);
}

// The same where all neurons have memory and nothing but delays lies between them.
RandomNetwork MakeClosedNetwork(std::uint64_t seed) {
  RandomNetwork network = MakeMemoryNetwork(seed);
  Random random(seed);
  for (engine::OperationDefinition& operation : network.definition.operations) {
    auto* neuron = std::get_if<engine::NeuronOperation>(&operation.kind);
    if (neuron != nullptr && !engine::Remembers(neuron->model)) {
      neuron->model = engine::MemoryRectifiedLinear{engine::SpikeAmplitude(neuron->model), std::nullopt,
                                                    random.Chance(0.3) ? -0.25 : 0.0};
      neuron->initial_voltage = engine::ConstantVoltage{0.5};
    }
  }
  for (engine::ConnectionDefinition& connection : network.definition.connections) {
    connection.synapse.reset();
  }
  for (engine::ProbeDefinition& probe : network.definition.probes) {
    probe.synapse.reset();
  }
  return network;
}

class CudaMemory : public ::testing::TestWithParam<std::tuple<CudaPlace, int>> {
 protected:
  static std::uint64_t Seed() { return static_cast<std::uint64_t>(std::get<1>(GetParam())); }

  void SetUp() override {
    std::string why_not;
    cuda_.backend = MakeCudaAt(std::get<0>(GetParam()), why_not);
    if (cuda_.backend == nullptr) {
      GTEST_SKIP() << why_not;
    }
    cpu_.backend = MakeCpu();
  }

  // False where the mode's integers are too few for the network.
  bool LoadIn(const RandomNetwork& network, Mode mode) {
    try {
      for (Loaded* loaded : {&cuda_, &cpu_}) {
        loaded->network = LoadOn(*loaded->backend, network.definition, mode);
      }
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(mode, Mode::kInt8) << error.what();
      return false;
    }
    return true;
  }

  static std::vector<std::int64_t> RandomChunks(std::uint64_t salt, std::int64_t steps) {
    Random random(Seed() + salt);
    std::vector<std::int64_t> chunks;
    for (std::int64_t left = steps; left > 0; left -= chunks.back()) {
      chunks.push_back(random.Between(1, left));
    }
    return chunks;
  }

  void ExpectSameRuns(const RandomNetwork& network, std::int64_t count) {
    const std::vector<Sample> samples = RandomSamples(network, count, Seed());
    const Reading wanted = Simulate(cpu_, network.spec, samples);
    ExpectSame(Simulate(cuda_, network.spec, samples), wanted);
    for (const std::uint64_t salt : {1, 2}) {  // workspaces and graphs are used again
      ExpectSame(Simulate(cuda_, network.spec, samples, RandomChunks(salt, network.spec.settings.steps)),
                 wanted);
    }
  }

  Loaded cuda_, cpu_;
};

TEST_P(CudaMemory, AnswersWhatTheCpuDoes) {
  for (const RandomNetwork& network : {MakeMemoryNetwork(Seed()), MakeClosedNetwork(Seed())}) {
    for (const Mode mode : {Mode::kExact, Mode::kFast, Mode::kInt8}) {
      if (LoadIn(network, mode)) {
        ExpectSameRuns(network, 7);
      }
    }
  }
}

TEST_P(CudaMemory, ReportsWhatTheCpuDoes) {
  RandomNetwork network = MakeClosedNetwork(Seed() + 500);
  network.spec.statistics = true;
  ASSERT_TRUE(LoadIn(network, Mode::kExact));
  const std::vector<Sample> samples = RandomSamples(network, 5, Seed());
  const auto inputs = InputsOf(samples);
  auto cuda = NewSimulation(*cuda_.network, network.spec, inputs);
  auto cpu = NewSimulation(*cpu_.network, network.spec, inputs);
  ASSERT_TRUE(cuda.ok() && cpu.ok()) << cuda.status().message();
  for (const std::int64_t steps : RandomChunks(3, network.spec.settings.steps)) {
    for (engine::Simulation* simulation : {cuda.value().get(), cpu.value().get()}) {
      ASSERT_TRUE(simulation->Advance(steps).ok());
    }
    ExpectSame(cuda.value()->Read().value(), cpu.value()->Read().value());
    ExpectSame(cuda.value()->Read().value(), cpu.value()->Read().value());  // again at the same step
  }
}

TEST_P(CudaMemory, StopsWhereTheCpuDoes) {
  Random random(Seed() + 9);
  RandomNetwork network = MakeClosedNetwork(Seed() + 900);
  network.spec.trajectories = false;
  network.spec.early_exit =
      engine::EarlyExit{0, random.Between(1, 4), random.Between(1, 5), random.Chance(0.5) ? 0.1 : 5.0};
  if (network.spec.settings.readout.skip_steps + 4 > network.spec.settings.steps) {
    network.spec.settings.readout.skip_steps = 0;
  }
  network.spec.early_exit->min_steps += network.spec.settings.readout.skip_steps;
  ASSERT_TRUE(LoadIn(network, Mode::kExact));
  ExpectSameRuns(network, 6);
}

TEST_P(CudaMemory, ImagesGiveWhatTheyGiveOnTheCpu) {
  if (Seed() > kImageNetworks) {
    return;
  }
  for (const double factor : {1.0, 30.0, 8000.0}) {  // counts of one to three digits
    const RandomNetwork network = MakeMemoryCnn(Seed(), factor);
    for (const Mode mode : {Mode::kExact, Mode::kInt8}) {
      if (LoadIn(network, mode)) {
        ExpectSameRuns(network, 5);
      }
    }
  }
}

SPIKESERVE_CUDA_PAIRS(CudaMemory, kNetworks);

// What leaves its range does so on both, and what does not is the same.
void ExpectSameRanges(const engine::NetworkDefinition& network, const std::vector<Sample>& samples,
                      std::int64_t steps) {
  const engine::SimulationSpec spec = OfBytes(steps);
  EXPECT_EQ(WhyForCpu({network, spec}), "");
  Loaded cuda{MakeHostTwin(), nullptr};
  Loaded cpu{MakeCpu(), nullptr};
  cuda.network = LoadOn(*cuda.backend, network, Mode::kExact);
  cpu.network = LoadOn(*cpu.backend, network, Mode::kExact);
  ExpectSame(Simulate(cuda, spec, samples), Simulate(cpu, spec, samples));
}

TEST(CudaMemoryRanges, OfCountsEndWhereThoseOfTheCpuDo) {
  std::vector<Sample> samples;
  for (const int byte : {3, 255, 1, 0, 100, 2}) {
    samples.push_back({{std::vector<std::byte>(9, std::byte(byte))}});
  }
  for (const std::int64_t steps : {1, 2, 4, 100}) {
    ExpectSameRanges(LargeCounts(), samples, steps);
  }
}

TEST(CudaMemoryRanges, OfOffsetsEndWhereThoseOfTheCpuDo) {
  const std::vector<Sample> samples = {{{std::vector<std::byte>(2, std::byte{9})}}};
  for (const double offset : {-0.5, 1e7, 1e9, 1e10, -1e9}) {
    for (const std::int64_t steps : {1, 7, 33, 150, 199}) {
      ExpectSameRanges(LargeOffset(offset), samples, steps);
    }
  }
}

TEST(CudaMemoryRuns, AreMostlyForTheGpu) {
  int on_gpu = 0;
  for (std::uint64_t seed = 1; seed <= kNetworks; ++seed) {
    on_gpu += WhyForCpu(MakeClosedNetwork(seed)).empty() ? 1 : 0;
  }
  EXPECT_GE(on_gpu, kNetworks / 4);  // others end in a probe of neurons or send functions of the mean
  for (std::uint64_t seed = 1; seed <= kImageNetworks; ++seed) {
    EXPECT_EQ(WhyForCpu(MakeMemoryCnn(seed, 30)), "") << seed;
  }
}

// What is reserved holds a network on the device and on the CPU, and its runs.
TEST(CudaMemoryRuns, TakeNoMoreThanIsReserved) {
  for (std::uint64_t seed = 1; seed <= kImageNetworks; ++seed) {
    for (RandomNetwork network : {MakeMemoryCnn(seed, 30), MakeClosedNetwork(seed), MakeMemoryNetwork(seed),
                                  WithCountReaders(MakeMemoryNetwork(seed), seed),
                                  WithCountReaders(MakeMemoryCnn(seed, 30), seed, 30)}) {
      network.spec.trajectories = false;
      auto device = std::make_unique<cuda::HostDevice>(SmallLimits());
      const cuda::HostDevice& memory = *device;
      const engine::CudaBackend backend(OneDevice(std::move(device)), MakeCpu());
      const auto checked = engine::Network::Create(network.definition, {});
      const auto loaded = LoadOn(backend, network.definition, Mode::kExact);
      EXPECT_LE(loaded->bytes(), backend.EstimateBytes(checked.value(), Mode::kExact).value()) << seed;
      if (WhyForCpu(network).empty()) {
        const std::int64_t before = memory.used();
        EXPECT_GT(before, 0);
        const std::vector<Sample> samples = RandomSamples(network, 7, seed);
        const auto run = NewSimulation(*loaded, network.spec, InputsOf(samples));
        ASSERT_TRUE(run.ok());
        EXPECT_GT(memory.used(), before);
        EXPECT_LE(memory.used() - before, EstimateRunBytes(*loaded, network.spec, 7)) << seed;
      }
    }
  }
}

TEST(CudaMemoryRuns, AreForTheCpuWhereStepsAreWanted) {
  RandomNetwork network = MakeMemoryCnn(1, 1);
  network.spec.trajectories = true;
  EXPECT_NE(WhyForCpu(network).find("every step"), std::string::npos);
  network.spec.trajectories = false;
  network.spec.session = true;
  EXPECT_NE(WhyForCpu(network).find("every step"), std::string::npos);
  network.spec.session = false;
  network.spec.statistics = network.spec.gross_statistics = true;
  EXPECT_NE(WhyForCpu(network).find("every step"), std::string::npos);
}

TEST(CudaMemoryRuns, AreForTheCpuWhereBytesDoNotMultiply) {
  cuda::DeviceLimits limits = SmallLimits();
  limits.byte_products = false;
  EXPECT_NE(WhyForCpu(MakeMemoryCnn(1, 1), limits).find("no exact products of bytes"), std::string::npos);
}

}  // namespace
}  // namespace spikeserve::testing
