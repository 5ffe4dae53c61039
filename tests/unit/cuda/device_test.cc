// What a device promises: memory, order, graphs, and that networks come and go without a trace.

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "server/engine/cuda/network.h"
#include "server/engine/plan/compile.h"
#include "tests/support/cuda_backends.h"
#include "tests/support/cuda_devices.h"
#include "tests/support/definitions.h"
#include "tests/support/random_network.h"
#include "tests/support/run.h"

namespace spikeserve::testing {
namespace {

class Device : public DeviceTest {};

TEST_P(Device, ReplaysWhatItCaptured) {
  const auto queue = device_->NewQueue(cuda::QueueUse::kWork);
  auto* const clock = Put(std::vector<std::int64_t>{5});
  const auto captured = queue->Capture({cuda::AdvanceClock{1, clock, 3}, cuda::AdvanceClock{1, clock, 4}});
  EXPECT_EQ(Get(clock, 1).front(), 5);  // capturing runs nothing
  for (int i = 0; i < 10; ++i) {
    queue->Replay(*captured);
  }
  queue->Wait();
  EXPECT_EQ(Get(clock, 1).front(), 75);
}

TEST_P(Device, CopiesAndFills) {
  const std::vector<float> values = {1, 2, 3};
  const auto* from = Put(values);
  auto* const to = Make<float>(3);
  Run({cuda::Copy{to, from, 12}, cuda::FillZero{to + 1, 4}});
  EXPECT_EQ(Get(to, 3), (std::vector<float>{1, 0, 3}));
}

TEST_P(Device, RefusesMoreThanItHas) {
  try {
    const cuda::Memory memory(*device_, static_cast<std::size_t>(device_->limits().memory_bytes) * 2);
    FAIL() << "memory out of nowhere";
  } catch (const cuda::DeviceError& error) {
    EXPECT_EQ(error.failure(), cuda::Failure::kOutOfMemory) << error.what();
  }
  EXPECT_EQ(device_->broken(), "");
  EXPECT_EQ(Get(Put(std::vector<float>{4}), 1).front(), 4);
}

TEST_P(Device, AlignsMemory) {
  const cuda::Memory memory(*device_, 1);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.data()) % 256, 0U);
}

// 200 cycles of loading, running and unloading, after a few that fill what the driver keeps.
TEST_P(Device, NetworksComeAndGo) {
  engine::CudaWorkspacePool pool;
  std::int64_t before = 0;
  for (int cycle = -20; cycle < 200; ++cycle) {
    if (cycle == 0) {
      before = device_->free_bytes();
    }
    const RandomNetwork random = MakeRandomNetwork(static_cast<std::uint64_t>((cycle + 20) % 10 + 1));
    auto definition =
        std::make_shared<engine::Network>(engine::Network::Create(random.definition, {}).value());
    auto plan = std::make_unique<const engine::Plan>(engine::Compile(std::move(definition)).value());
    Loaded loaded;
    loaded.network = std::make_unique<engine::CudaNetwork>(*device_, pool, std::move(plan), nullptr);
    (void)Simulate(loaded, random.spec, RandomSamples(random, 2, 1));
  }
  EXPECT_LE(before - device_->free_bytes(), std::int64_t{2} << 20);
}

// What a large network takes is what it says, within 2 %.
TEST_P(Device, HoldsWhatItAccountsFor) {
  constexpr std::int64_t kSide = 2048;
  engine::NetworkDefinition network = SmallMlp();
  network.operations = {{"input", engine::InputOperation{{kSide}, {}, {}}},
                        {"first", engine::NeuronOperation{engine::IntegrateAndFire{1.0}, {}, {}, {}}},
                        {"dense", engine::AffineOperation{"w", ""}},
                        {"second", engine::NeuronOperation{engine::IntegrateAndFire{1.0}, {}, {}, {}}}};
  network.connections = {{"input", "first", {}}, {"first", "dense", {}}, {"dense", "second", {}}};
  network.probes = {{"spikes", "second", engine::ProbeQuantity::kSpikes, {}}};
  network.tensors = {Tensor("w", {kSide, kSide}, std::vector<float>(kSide * kSide, 0.01F))};
  auto definition = std::make_shared<engine::Network>(engine::Network::Create(network, {}).value());
  auto plan = std::make_unique<const engine::Plan>(engine::Compile(std::move(definition)).value());
  engine::CudaWorkspacePool pool;
  const std::int64_t before = device_->free_bytes();
  const engine::CudaNetwork resident(*device_, pool, std::move(plan), nullptr);
  const auto taken = static_cast<double>(before - device_->free_bytes());
  EXPECT_NEAR(taken, static_cast<double>(resident.device_bytes()), 0.02 * taken + (2 << 20));
  EXPECT_GT(resident.device_bytes(), kSide * kSide * 8);
}

SPIKESERVE_ON_DEVICES(Device);

}  // namespace
}  // namespace spikeserve::testing
