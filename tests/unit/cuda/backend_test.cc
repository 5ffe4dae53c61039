// The CUDA backend's promises beyond equal bytes: wide counts, failures, memory, refusals. On host loops.

#include "server/engine/cuda/backend.h"

#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "server/engine/cuda/network.h"
#include "server/engine/make_backend.h"
#include "tests/support/cuda_backends.h"
#include "tests/support/definitions.h"
#include "tests/support/random_network.h"
#include "tests/support/reading_bytes.h"
#include "tests/support/run.h"

namespace spikeserve::testing {
namespace {

using engine::Mode;
using engine::Reading;

// input [2] -> 3 neurons -> 4 neurons -> [2], with these weights behind the first neurons.
engine::NetworkDefinition DeepMlp(const std::vector<float>& weights, double tau) {
  engine::NetworkDefinition network = SmallMlp();
  network.operations = {{"input", engine::InputOperation{{2}, {}, {}}},
                        {"dense", engine::AffineOperation{"w0", "b0"}},
                        {"first", engine::NeuronOperation{engine::IntegrateAndFire{1.0}, {}, {}, {}}},
                        {"between", engine::AffineOperation{"w1", ""}},
                        {"second", engine::NeuronOperation{engine::SpikingRectifiedLinear{1.0}, {}, {}, {}}},
                        {"output", engine::AffineOperation{"w2", ""}}};
  network.connections = {{"input", "dense", {}},
                         {"dense", "first", {}},
                         {"first", "between", engine::Lowpass{tau}},
                         {"between", "second", {}},
                         {"second", "output", engine::Lowpass{tau}}};
  network.probes = {{"output", "output", engine::ProbeQuantity::kOutput, {}},
                    {"spikes", "second", engine::ProbeQuantity::kSpikes, {}},
                    {"voltage", "second", engine::ProbeQuantity::kVoltage, {}}};
  network.tensors = {Tensor("w0", {3, 2}, {1, 2, 3, 0.5F, 4, 8}), Tensor("b0", {3}, {10, 0, 5}),
                     Tensor("w1", {4, 3}, weights), Tensor("w2", {2, 4}, {1, -2, 0.25F, 3, 4, 1, -1, 0.5F})};
  return network;
}

const std::vector<float> kWeights = {0.5F, 1, -0.25F, 0.1F, 0.2F, 0.3F, 1, 1, 1, -0.3F, 0.9F, 0.7F};

engine::SimulationSpec Spec(std::int64_t steps) {
  engine::SimulationSpec spec;
  spec.settings.steps = steps;
  spec.inputs = {{engine::DataType::kFloat32, true}};
  spec.probes = {0, 1, 2};
  spec.statistics = true;
  return spec;
}

// Inputs that are small at first and `peak` from step `from` on.
Sample Rising(std::int64_t steps, std::int64_t from, float peak) {
  std::vector<float> values;
  for (std::int64_t step = 0; step < steps; ++step) {
    values.push_back(step < from ? 100.0F : peak);
    values.push_back(step < from ? 50.0F : peak / 2);
  }
  return {{Bytes(values)}};
}

Loaded On(std::unique_ptr<engine::Backend> backend, const engine::NetworkDefinition& definition) {
  Loaded loaded{std::move(backend), nullptr};
  loaded.network = LoadOn(*loaded.backend, definition, Mode::kExact);
  return loaded;
}

void ExpectSame(const engine::NetworkDefinition& definition, const engine::SimulationSpec& spec,
                const std::vector<Sample>& samples, const std::vector<std::int64_t>& chunks) {
  const Reading wanted = Simulate(On(MakeCpu(engine::CpuPath::kPlain), definition), spec, samples, chunks);
  const Reading got = Simulate(On(MakeHostTwin(), definition), spec, samples, chunks);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    EXPECT_EQ(got.sample_status[i].message(), wanted.sample_status[i].message());
    if (wanted.sample_status[i].ok()) {
      EXPECT_TRUE(ReadingBytes(got, i) == ReadingBytes(wanted, i)) << "sample " << i;
    }
  }
}

// A count above 2048 comes up late in one sample: the chunk is repeated with wide numbers from where it
// began.
TEST(CudaBackend, TakesTheWidePathWhereCountsGrow) {
  for (const std::int64_t from : {0, 1, 9, 17, 29}) {
    for (const float peak : {3e5F, 2.5e6F, 4e8F}) {
      SCOPED_TRACE(::testing::Message() << "peak " << peak << " from step " << from);
      const std::vector<Sample> samples = {Rising(30, 30, 0), Rising(30, from, peak), Rising(30, 15, 5e3F)};
      engine::SimulationSpec spec = Spec(30);
      ExpectSame(DeepMlp(kWeights, 0.005), spec, samples, {});
      ExpectSame(DeepMlp(kWeights, 0.005), spec, samples, {10, 5, 15});
      spec.trajectories = true;
      spec.settings.readout.skip_steps = 12;
      ExpectSame(DeepMlp(kWeights, 0.005), spec, samples, {7, 11, 12});
    }
  }
}

TEST(CudaBackend, FailsASampleOutOfRangeLikeTheCpuAndNoOther) {
  const std::vector<Sample> samples = {Rising(20, 20, 0), Rising(20, 11, 1e12F), Rising(20, 5, 4e3F)};
  ExpectSame(DeepMlp(kWeights, 0.005), Spec(20), samples, {});
  const Reading reading = Simulate(On(MakeHostTwin(), DeepMlp(kWeights, 0.005)), Spec(20), samples);
  EXPECT_TRUE(reading.sample_status[0].ok());
  EXPECT_EQ(reading.sample_status[1].code(), StatusCode::kOutOfRange);
  EXPECT_NE(reading.sample_status[1].message().find("'first'"), std::string::npos);
  EXPECT_TRUE(reading.sample_status[2].ok());
}

TEST(CudaBackend, ReportsOutputsThatAreNotFinite) {
  engine::NetworkDefinition definition = SmallMlp();
  definition.operations[2].kind = engine::NeuronOperation{engine::RectifiedLinear{1e30}, {}, {}, {}};
  engine::SimulationSpec spec;
  spec.settings.steps = 3;
  spec.inputs = {{engine::DataType::kFloat32, false}};
  spec.probes = {0};
  ExpectSame(definition, spec, {{{Bytes(std::vector<float>{1e20F, 3})}}, {{Bytes(std::vector<float>{1, 3})}}},
             {});
}

// Rows of 22-bit weights that are too long for digits at any count.
TEST(CudaBackend, SumsLongRowsWithoutDigits) {
  constexpr std::int64_t kWide = 24000;
  engine::NetworkDefinition network;
  network.format_version = 1;
  network.operations = {{"input", engine::InputOperation{{kWide}, {}, {}}},
                        {"first", engine::NeuronOperation{engine::SpikingRectifiedLinear{1.0}, {}, {}, {}}},
                        {"dense", engine::AffineOperation{"w", ""}},
                        {"second", engine::NeuronOperation{engine::IntegrateAndFire{1.0}, {}, {}, {}}}};
  network.connections = {{"input", "first", {}}, {"first", "dense", {}}, {"dense", "second", {}}};
  network.probes = {{"spikes", "second", engine::ProbeQuantity::kSpikes, {}},
                    {"voltage", "second", engine::ProbeQuantity::kVoltage, {}}};
  std::vector<float> weights;
  std::vector<float> input;
  for (std::int64_t i = 0; i < 2 * kWide; ++i) {
    weights.push_back(i % 3 == 0 ? 0.9991F : 0.73F);
    input.push_back(static_cast<float>(i % 1009) * 2.0F);
  }
  input.resize(kWide);
  network.tensors = {Tensor("w", {2, kWide}, weights)};
  engine::SimulationSpec spec = Spec(4);
  spec.probes = {0, 1};
  spec.inputs = {{engine::DataType::kFloat32, false}};
  ExpectSame(network, spec, {{{Bytes(input)}}}, {});
}

TEST(CudaBackend, AddsMoreTermsThanAScanTakes) {
  engine::NetworkDefinition network;
  network.format_version = 1;
  network.operations = {{"input", engine::InputOperation{{3}, {}, {}}}};
  engine::WeightedSumOperation sum;
  for (int i = 0; i < 11; ++i) {
    const std::string name = "neurons" + std::to_string(i);
    network.operations.push_back(
        {name, engine::NeuronOperation{engine::IntegrateAndFire{1.0 + i}, 100.0 + 10 * i, {}, {}}});
    network.connections.push_back({"input", name, {}});
    network.connections.push_back(
        {name, "sum", i % 2 == 0 ? engine::Synapse{} : engine::Synapse{engine::Lowpass{0.01}}});
    sum.coefficients.push_back(0.3 + 0.11 * i);
  }
  network.operations.push_back({"sum", sum});
  network.operations.push_back({"last", engine::NeuronOperation{engine::Lif{}, {}, {}, {}}});
  network.connections.push_back({"sum", "last", {}});
  network.probes = {{"sum", "sum", engine::ProbeQuantity::kOutput, engine::Lowpass{0.005}},
                    {"spikes", "last", engine::ProbeQuantity::kSpikes, {}}};
  engine::SimulationSpec spec = Spec(40);
  spec.inputs = {{engine::DataType::kFloat32, false}};
  spec.probes = {0, 1};
  const std::vector<Sample> samples = {{{Bytes(std::vector<float>{1, 2, 3})}},
                                       {{Bytes(std::vector<float>{5, -2, 0.1F})}}};
  ExpectSame(network, spec, samples, {});
  spec.trajectories = true;
  ExpectSame(network, spec, samples, {13, 27});
}

// More lengths of chunks than programs are kept for.
TEST(CudaBackend, RunsChunksOfManyLengths) {
  std::vector<std::int64_t> chunks;
  for (std::int64_t steps = 1; steps <= 40; ++steps) {
    chunks.push_back(steps);
  }
  chunks.insert(chunks.end(), {40, 1, 39, 2});
  const std::int64_t total = std::accumulate(chunks.begin(), chunks.end(), std::int64_t{0});
  cuda::DeviceLimits limits = SmallLimits();
  limits.l2_bytes = 1 << 20;  // chunks are not cut further
  const std::vector<Sample> samples = {Rising(total, 600, 4e3F), Rising(total, 30, 900)};
  const engine::NetworkDefinition definition = DeepMlp(kWeights, 0.005);
  const Reading wanted = Simulate(On(MakeCpu(engine::CpuPath::kPlain), definition), Spec(total), samples);
  const Reading got = Simulate(On(MakeHostTwin(limits), definition), Spec(total), samples, chunks);
  EXPECT_TRUE(ReadingBytes(got, 0) == ReadingBytes(wanted, 0));
  EXPECT_TRUE(ReadingBytes(got, 1) == ReadingBytes(wanted, 1));
}

// What a network takes is what it says, and loading and unloading leaves nothing behind.
TEST(CudaBackend, AccountsForEveryByteAndLeaksNone) {
  auto owned = std::make_unique<cuda::HostDevice>(SmallLimits());
  const cuda::HostDevice& device = *owned;
  const engine::CudaBackend backend(OneDevice(std::move(owned)), MakeCpu());
  for (int cycle = 0; cycle < 200; ++cycle) {
    const RandomNetwork random = MakeRandomNetwork(static_cast<std::uint64_t>(cycle % 20 + 1));
    Loaded loaded{nullptr, LoadOn(backend, random.definition, Mode::kExact)};
    const auto& network = static_cast<const engine::CudaNetwork&>(*loaded.network);
    ASSERT_EQ(device.used(), network.device_bytes());
    const auto definition = engine::Network::Create(random.definition, {});
    ASSERT_GE(backend.EstimateBytes(definition.value(), Mode::kExact).value(), network.bytes());
    const std::int64_t estimate = EstimateRunBytes(network, random.spec, 3);
    (void)Simulate(loaded, random.spec, RandomSamples(random, 3, 1));
    ASSERT_LE(device.used() - network.device_bytes(), estimate);
    loaded.network.reset();
    ASSERT_EQ(device.used(), 0) << "after cycle " << cycle;
  }
}

TEST(CudaBackend, OutOfMemoryLeavesWhatIsResidentAlone) {
  const engine::NetworkDefinition definition = DeepMlp(kWeights, 0.005);
  cuda::DeviceLimits limits = SmallLimits();
  limits.memory_bytes = 64 << 10;
  Loaded loaded = On(MakeHostTwin(limits), definition);
  const std::vector<Sample> one = {Rising(20, 5, 4e3F)};
  const Reading before = Simulate(loaded, Spec(20), one);
  std::vector<std::unique_ptr<engine::ResidentNetwork>> others;
  Status refused;
  for (int i = 0; i < 100 && refused.ok(); ++i) {
    auto network = std::make_shared<engine::Network>(engine::Network::Create(definition, {}).value());
    auto other = loaded.backend->Load(std::move(network), Mode::kExact);
    refused = other.status();
    if (other.ok()) {
      others.push_back(std::move(other).value());
    }
  }
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted) << refused.message();
  others.pop_back();
  others.pop_back();
  others.clear();
  EXPECT_TRUE(ReadingBytes(Simulate(loaded, Spec(20), one), 0) == ReadingBytes(before, 0));
}

TEST(CudaBackend, RefusesABatchThatDoesNotFit) {
  cuda::DeviceLimits limits = SmallLimits();
  limits.memory_bytes = 64 << 10;
  const Loaded loaded = On(MakeHostTwin(limits), DeepMlp(kWeights, 0.005));
  const std::vector<Sample> samples(1000, Rising(20, 5, 4e3F));
  const auto simulation = NewSimulation(*loaded.network, Spec(20), InputsOf(samples));
  EXPECT_EQ(simulation.status().code(), StatusCode::kResourceExhausted);
}

TEST(CudaBackend, IdleWorkspacesMakeRoom) {
  cuda::DeviceLimits limits = SmallLimits();
  limits.memory_bytes = 80 << 10;
  const Loaded loaded = On(MakeHostTwin(limits), DeepMlp(kWeights, 0.005));
  for (std::int64_t steps = 5; steps < 30; ++steps) {              // a workspace each
    const std::vector<Sample> samples = {Rising(steps, 3, 4e3F)};  // outlive the simulation
    const auto simulation = NewSimulation(*loaded.network, Spec(steps), InputsOf(samples));
    ASSERT_TRUE(simulation.ok()) << simulation.status().message();
    ASSERT_TRUE(simulation.value()->Advance(steps).ok());
  }
}

TEST(CudaBackend, ChecksWhatIsAskedOfASimulation) {
  const Loaded loaded = On(MakeHostTwin(), DeepMlp(kWeights, 0.005));
  engine::SimulationSpec spec = Spec(10);
  const std::vector<Sample> samples = {Rising(10, 3, 4e3F)};
  auto simulation = NewSimulation(*loaded.network, spec, InputsOf(samples));
  EXPECT_EQ(simulation.value()->Advance(0).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(simulation.value()->Advance(11).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(simulation.value()->Advance(10).ok());
  EXPECT_EQ(simulation.value()->Advance(1).code(), StatusCode::kInvalidArgument);
  spec.probes = {3};
  EXPECT_EQ(NewSimulation(*loaded.network, spec, InputsOf(samples)).status().code(),
            StatusCode::kInvalidArgument);
}

TEST(CudaBackend, RunsReferenceModeOnTheCpu) {
  const engine::NetworkDefinition definition = DeepMlp(kWeights, 0.005);
  const auto cuda = MakeHostTwin();
  const auto cpu = MakeCpu();
  const std::vector<Sample> samples = {Rising(20, 5, 4e3F)};
  const Loaded on_cuda{nullptr, LoadOn(*cuda, definition, Mode::kReference)};
  const Loaded on_cpu{nullptr, LoadOn(*cpu, definition, Mode::kReference)};
  EXPECT_TRUE(ReadingBytes(Simulate(on_cuda, Spec(20), samples), 0) ==
              ReadingBytes(Simulate(on_cpu, Spec(20), samples), 0));
}

TEST(MakeBackend, SaysInOneLineWhyThereIsNoGpu) {
  std::string why_not;
  if (MakeGpu(why_not) != nullptr) {
    GTEST_SKIP() << "there is a GPU";
  }
  const auto cuda = engine::MakeBackend({.kind = "cuda"});
  EXPECT_EQ(cuda.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(cuda.status().message().rfind("backend cuda: ", 0), 0U) << cuda.status().message();
  EXPECT_EQ(cuda.status().message().find('\n'), std::string::npos);
  std::string reason;
  const auto any = engine::MakeBackend({.kind = "auto"}, &reason);
  ASSERT_TRUE(any.ok());
  EXPECT_EQ(any.value()->name(), "cpu");
  EXPECT_EQ(reason, cuda.status().message());
}

TEST(LargestExactCount, IsTheLastThatSumsExactly) {
  for (const std::int64_t most : {1, 4, 1000, 70000}) {
    for (const double row_sum : {1.0, 1e6, 2.7e11, 3.1e12}) {
      const std::int32_t largest = engine::LargestExactCount(most, row_sum);
      EXPECT_TRUE(engine::SumsAreExact(largest, most, row_sum));
      EXPECT_TRUE(largest == (1 << 24) - 1 || !engine::SumsAreExact(largest + 1, most, row_sum));
    }
  }
}

// What no layer computes cannot be recorded, and asking for it is refused in the words of the CPU.
TEST(CudaBackend, RefusesProbesOfOperationsThatAreNoLayer) {
  engine::SimulationSpec spec = Spec(2);
  spec.request_probes = {{1, engine::ProbeQuantity::kOutput, {}, {}}};  // what the first neurons read
  const std::vector<float> values(4, 1.0F);
  const std::vector<engine::SampleInputs> samples{{{reinterpret_cast<const std::byte*>(values.data())}}};
  std::vector<std::string> refusals;
  for (const bool cuda : {true, false}) {
    const Loaded loaded = On(cuda ? MakeHostTwin() : MakeCpu(), DeepMlp(kWeights, 0.005));
    const Status status = NewSimulation(*loaded.network, spec, samples).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    refusals.push_back(status.message());
  }
  EXPECT_EQ(refusals[0], refusals[1]);
  EXPECT_NE(refusals[0].find("request probe: operation 1 "), std::string::npos) << refusals[0];
}

// A Triangle that a run's dt makes too long is refused in the words of the CPU.
TEST(CudaBackend, RefusesTrianglesThatAreTooLongForTheRun) {
  engine::NetworkDefinition definition = DeepMlp(kWeights, 0.005);
  definition.connections[2].synapse = engine::Triangle{3};
  engine::SimulationSpec spec = Spec(2);
  spec.settings.dt_s = 1e-4;
  std::vector<std::string> refusals;
  const std::vector<float> values(4, 1.0F);
  const std::vector<engine::SampleInputs> samples{{{reinterpret_cast<const std::byte*>(values.data())}}};
  for (const bool cuda : {true, false}) {
    const Loaded loaded = On(cuda ? MakeHostTwin() : MakeCpu(), definition);
    const Status status = NewSimulation(*loaded.network, spec, samples).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    refusals.push_back(status.message());
  }
  EXPECT_EQ(refusals[0], refusals[1]);
  EXPECT_NE(refusals[0].find("triangle t is 3"), std::string::npos);
}

}  // namespace
}  // namespace spikeserve::testing
