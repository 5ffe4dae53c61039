// Networks on several devices: where batches go, what they give, what memory that takes.

#include "server/engine/cuda/replicas.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/support/cuda_backends.h"
#include "tests/support/random_network.h"
#include "tests/support/reading_bytes.h"
#include "tests/support/run.h"

namespace spikeserve::testing {
namespace {

using engine::Mode;
using engine::Simulation;

constexpr int kDevices = 3;

class Replicas : public ::testing::Test {
 protected:
  Replicas() : random_(MakeRandomNetwork(4)), samples_(RandomSamples(random_, 2, 1)) {
    std::vector<std::unique_ptr<cuda::Device>> devices;
    for (int i = 0; i < kDevices; ++i) {
      auto device = std::make_unique<cuda::HostDevice>(SmallLimits());
      devices_.push_back(device.get());
      devices.push_back(std::move(device));
    }
    loaded_.backend = std::make_unique<engine::CudaBackend>(std::move(devices), MakeCpu());
    loaded_.network = LoadOn(*loaded_.backend, random_.definition, Mode::kExact);
  }

  std::unique_ptr<Simulation> Start() {
    return NewSimulation(*loaded_.network, random_.spec, InputsOf(samples_)).value();
  }
  std::vector<std::int64_t> Running() const {
    return static_cast<const engine::CudaReplicas&>(*loaded_.network).running();
  }

  const RandomNetwork random_;
  const std::vector<Sample> samples_;
  std::vector<const cuda::HostDevice*> devices_;
  Loaded loaded_;
};

TEST_F(Replicas, SpreadBatchesOverTheDevices) {
  EXPECT_EQ(loaded_.backend->device_count(), kDevices);
  auto first = Start();
  auto second = Start();
  EXPECT_EQ(Running(), (std::vector<std::int64_t>{1, 1, 0}));
  const auto third = Start();
  const auto fourth = Start();
  EXPECT_EQ(Running(), (std::vector<std::int64_t>{2, 1, 1}));
  second.reset();
  const auto fifth = Start();
  EXPECT_EQ(Running(), (std::vector<std::int64_t>{2, 1, 1}));
  first.reset();
  EXPECT_EQ(Running(), (std::vector<std::int64_t>{1, 1, 1}));
}

TEST_F(Replicas, GiveTheSameBytesOnEveryDevice) {
  Loaded cpu{MakeCpu(), nullptr};
  cpu.network = LoadOn(*cpu.backend, random_.definition, Mode::kExact);
  const engine::Reading wanted = Simulate(cpu, random_.spec, samples_);
  std::vector<std::unique_ptr<Simulation>> simulations;
  for (int i = 0; i < kDevices; ++i) {
    simulations.push_back(Start());
  }
  for (const std::unique_ptr<Simulation>& simulation : simulations) {
    ASSERT_TRUE(simulation->Advance(random_.spec.settings.steps).ok());
    const engine::Reading got = simulation->Read().value();
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      EXPECT_TRUE(ReadingBytes(got, i) == ReadingBytes(wanted, i)) << "sample " << i;
    }
  }
}

TEST_F(Replicas, AccountForTheWeightsOfEachDevice) {
  const std::int64_t each = devices_[0]->used();
  EXPECT_GT(each, 0);
  for (const cuda::HostDevice* device : devices_) {
    EXPECT_EQ(device->used(), each);
  }
  const auto one = MakeHostTwin();
  const auto alone = LoadOn(*one, random_.definition, Mode::kExact);
  EXPECT_EQ(loaded_.network->bytes(), alone->bytes() + (kDevices - 1) * each);
  const auto network = engine::Network::Create(random_.definition, {});
  EXPECT_GE(loaded_.backend->EstimateBytes(network.value(), Mode::kExact).value(), loaded_.network->bytes());
  loaded_.network.reset();
  for (const cuda::HostDevice* device : devices_) {
    EXPECT_EQ(device->used(), 0);
  }
}

// A batch that cannot start takes no place.
TEST_F(Replicas, ForgetBatchesThatDoNotStart) {
  engine::SimulationSpec spec = random_.spec;
  spec.settings.steps = 0;
  EXPECT_FALSE(NewSimulation(*loaded_.network, spec, InputsOf(samples_)).ok());
  EXPECT_EQ(Running(), (std::vector<std::int64_t>{0, 0, 0}));
}

// Where one device has no room, no device keeps the network.
TEST(ReplicasOutOfMemory, LeaveNothingBehind) {
  std::vector<std::unique_ptr<cuda::Device>> devices;
  cuda::DeviceLimits limits = SmallLimits();
  devices.push_back(std::make_unique<cuda::HostDevice>(limits));
  limits.memory_bytes = 64;
  devices.push_back(std::make_unique<cuda::HostDevice>(limits));
  const auto& roomy = static_cast<const cuda::HostDevice&>(*devices.front());
  const auto owned = std::make_unique<engine::CudaBackend>(std::move(devices), MakeCpu());
  const engine::Backend& backend = *owned;
  auto network = engine::Network::Create(MakeRandomNetwork(4).definition, {});
  const auto loaded =
      backend.Load(std::make_shared<engine::Network>(std::move(network).value()), Mode::kExact);
  EXPECT_EQ(loaded.status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(roomy.used(), 0);
}

}  // namespace
}  // namespace spikeserve::testing
