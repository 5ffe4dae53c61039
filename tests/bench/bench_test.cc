// The baselines compute what the engine computes, and the counts are what they say.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/engine/cpu/cpu_path.h"
#include "server/engine/samples/thread_pool.h"
#include "tests/bench/engine_case.h"
#include "tests/bench/float_forward.h"
#include "tests/bench/products.h"
#include "tests/bench/seeded.h"
#include "tests/bench/step_loop.h"
#include "tests/bench/timing.h"
#include "tests/bench/work.h"
#include "tests/support/random.h"

namespace spikeserve::bench {
namespace {

constexpr std::int64_t kSteps = 20;
constexpr std::int64_t kBatch = 5;

class DefinitionBuilder {
 public:
  explicit DefinitionBuilder(bool rectified, std::optional<double> tau) : rectified_(rectified), tau_(tau) {
    definition_.format_version = 1;
    definition_.defaults.dt = 0.002;
    Add("input", engine::InputOperation{{6, 5, 2}, std::nullopt, std::nullopt});
    Add("conv", engine::ConvOperation{Tensor({3, 2, 3, 2}), Tensor({3}), {2, 1}, {1, 1}, {1, 0}, {0, 1}, 1});
    AddNeurons("first", Tensor({3}));
    Add("pool", engine::PoolOperation{engine::PoolKind::kAverage, {1, 2}, {1, 2}, {0, 0}, {0, 0}, false});
    Add("flatten", engine::ReshapeOperation{{3 * 2 * 3}});
    Add("dense", engine::AffineOperation{Tensor({4, 18}), ""});
    AddNeurons("second", engine::Parameter{0.5});
    Add("output", engine::AffineOperation{Tensor({3, 4}), Tensor({3})});
    engine::Synapse probe;
    if (tau) {
      probe = engine::Lowpass{0.01};
    }
    definition_.probes = {{"output", "output", engine::ProbeQuantity::kOutput, probe}};
  }
  std::shared_ptr<const engine::Network> Finish() {
    auto network = engine::Network::Create(definition_, {});
    EXPECT_TRUE(network.ok()) << network.status().message();
    return std::make_shared<const engine::Network>(std::move(network).value());
  }

 private:
  std::string Tensor(engine::Shape shape) {
    const std::vector<float> values = random_.Floats(engine::ElementCount(shape), -1, 1);
    engine::TensorDefinition tensor{"t" + std::to_string(definition_.tensors.size()), std::move(shape),
                                    engine::DataType::kFloat32, std::string(values.size() * 4, '\0')};
    std::memcpy(tensor.data.data(), values.data(), tensor.data.size());
    definition_.tensors.push_back(tensor);
    return tensor.id;
  }
  void Add(const std::string& name, engine::OperationKind kind) {
    if (!definition_.operations.empty()) {
      const engine::OperationDefinition& before = definition_.operations.back();
      engine::Synapse synapse;
      if (tau_ && std::holds_alternative<engine::NeuronOperation>(before.kind)) {
        synapse = engine::Lowpass{*tau_};
      }
      definition_.connections.push_back({before.name, name, synapse});
    }
    definition_.operations.push_back({name, std::move(kind)});
  }
  void AddNeurons(const std::string& name, engine::Parameter bias) {
    engine::NeuronOperation neuron;
    if (rectified_) {
      neuron.model = engine::SpikingRectifiedLinear{0.003};
    } else {
      neuron.model = engine::IntegrateAndFire{0.003};
    }
    neuron.gain = 150.0;
    neuron.bias = std::move(bias);
    neuron.initial_voltage = engine::UniformVoltage{3};
    Add(name, neuron);
  }

  bool rectified_;
  std::optional<double> tau_;
  engine::NetworkDefinition definition_;
  testing::Random random_{7};
};

EngineCase::Batch BatchOf(const std::vector<float>& inputs) {
  return {std::as_bytes(std::span(inputs)).data(), kBatch, engine::DataType::kFloat32};
}

// Neuron, synapse: the step loop in float32 against the engine in float64. A spike may fall one step apart.
TEST(StepLoop, ComputesWhatTheEngineComputes) {
  for (const bool rectified : {false, true}) {
    for (const std::optional<double> tau :
         {std::optional<double>(), std::optional(0.005), std::optional(0.0)}) {
      const auto network = DefinitionBuilder(rectified, tau).Finish();
      const std::vector<float> inputs = SeededInputs(*network, kBatch);
      const EngineCase reference(network, engine::Mode::kReference, engine::CpuPath::kAuto, 1);
      const std::vector<double> wanted = reference.Run(BatchOf(inputs), kSteps);
      for (const int threads : {1, 2}) {
        for (const bool hoist : {false, true}) {
          engine::ThreadPool pool(threads);
          StepLoop loop(MakeChain(*network), kSteps, kBatch, pool, hoist);
          loop.Run(inputs);  // the second run starts anew
          const std::vector<float> got = loop.Run(inputs);
          ASSERT_EQ(got.size(), wanted.size());
          for (std::size_t i = 0; i < got.size(); ++i) {
            EXPECT_NEAR(got[i], wanted[i], 1e-3) << i << " tau " << tau.value_or(-1);
          }
        }
      }
    }
  }
}

// Of signed neurons: a rectified one cuts off what each step varies below zero, and so spikes more.
TEST(FloatForward, IsTheLimitOfTheSpikingNetwork) {
  const auto network = DefinitionBuilder(false, std::nullopt).Finish();
  const std::vector<float> inputs = SeededInputs(*network, kBatch);
  const EngineCase reference(network, engine::Mode::kReference, engine::CpuPath::kAuto, 2);
  const std::vector<double> wanted = reference.Run(BatchOf(inputs), 20'000);
  FloatForward pass(MakeChain(*network), kBatch, 2);
  const auto got = pass.Run(inputs);
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], wanted[i], 1e-2) << i;
  }
}

TEST(Seeded, SpikesAtTheWantedRate) {
  const auto network = SeededDense({50, 80, 60, 10}, 0.07);
  const std::vector<float> inputs = SeededInputs(*network, kBatch);
  const EngineCase ours(network, engine::Mode::kExact, engine::CpuPath::kAuto, 1);
  const double spikes = static_cast<double>(ours.Count(BatchOf(inputs), 100).spikes);
  const double rate = spikes / (kBatch * 100 * (80 + 60));
  EXPECT_GT(rate, 0.04);
  EXPECT_LT(rate, 0.12);
}

TEST(Chain, RefusesBranchesByName) {
  engine::NetworkDefinition definition = SeededDense({3, 4, 2}, 0.1)->definition();
  definition.operations.push_back({"sum", engine::WeightedSumOperation{{1.0, 1.0}}});
  definition.connections.push_back({definition.probes[0].target, "sum", std::nullopt});
  definition.connections.push_back({definition.probes[0].target, "sum", std::nullopt});
  definition.probes[0].target = "sum";
  const auto network = engine::Network::Create(definition, {});
  ASSERT_TRUE(network.ok()) << network.status().message();
  EXPECT_THAT([&] { MakeChain(network.value()); },
              ::testing::ThrowsMessage<std::runtime_error>(::testing::HasSubstr("sum")));
}

TEST(Work, CountsProductsOnceAndNeuronsEveryStep) {
  const Chain chain = MakeChain(*SeededDense({30, 20, 10}, 0.1));
  const Work one = CountWork(chain, 100, 4, 5000, 500, 1, 4);
  EXPECT_EQ(one.macs, 30 * 20 + 20 * 10);
  EXPECT_EQ(one.neuron_steps, 100 * 20);
  EXPECT_EQ(one.synaptic_operations, 0);  // one hidden layer: the readout takes its counts
  EXPECT_EQ(one.memory_bytes, 30);
  const Chain two = MakeChain(*SeededDense({30, 20, 20, 10}, 0.1));
  // Half of the 500 spikes are the last layer's, each reaching ten outputs.
  const Work exact = CountWork(two, 100, 4, 10'000, 500, 1, 4);
  EXPECT_EQ(exact.synaptic_operations, 10'000 - 2500);
  const Work fast = CountWork(two, 100, 4, 10'000, 500, 1, 2);
  EXPECT_EQ(exact.cache_bytes - fast.cache_bytes, 2 * exact.synaptic_operations);
}

TEST(Work, OfNeuronsWithMemoryIsOneProductOfDigits) {
  const Chain chain = MakeChain(*SeededDense({30, 20, 20, 10}, 0.1));
  const Work one = CountClosedWork(chain, 100, 4, std::vector<std::int64_t>{255, 999}, 1, 3);
  EXPECT_EQ(one.byte_products, 3 * 30 * 20 + 3 * 20 * 20);
  EXPECT_EQ(one.macs, 20 * 10);
  EXPECT_EQ(one.neuron_steps, 100 * 40);
  EXPECT_EQ(one.scanned, 40);
  EXPECT_EQ(CountClosedWork(chain, 100, 4, std::vector<std::int64_t>{256, 0}, 1, 1).byte_products,
            3 * 30 * 20 + 2 * 20 * 20);
  const Work floats = CountClosedWork(chain, 100, 4, std::vector<std::int64_t>{1, 1}, 4, 3);
  EXPECT_EQ(floats.macs, 30 * 20 + 20 * 10);
  EXPECT_EQ(floats.byte_products, 3 * 20 * 20);
}

TEST(Work, NamesTheSlowestResource) {
  Work work;
  work.macs = 100;
  work.memory_bytes = 100;
  const Floor floor = FloorOf(
      work, {.threads = 1, .fma = 10, .byte_products = 1, .integer_add = 1, .l1 = 1, .l2 = 1, .dram = 5});
  EXPECT_EQ(floor.resource, "memory bandwidth");
  EXPECT_DOUBLE_EQ(floor.seconds, 20);
}

TEST(Timing, TakesTheMedianAndTheSpread) {
  const Times times = Summarise({5, 1, 2});
  EXPECT_DOUBLE_EQ(times.median, 2);
  EXPECT_DOUBLE_EQ(times.spread, 2);
  EXPECT_DOUBLE_EQ(Summarise({}).median, 0);
}

TEST(Timing, CallsEveryBodyInTurn) {
  std::string order;
  TimeInTurn({[&] { order += 'a'; }, [&] { order += 'b'; }}, 2, 0);
  EXPECT_EQ(order,
            "aabb"
            "abab");
}

}  // namespace
}  // namespace spikeserve::bench
