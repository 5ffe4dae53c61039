// What becomes of batches, networks and readiness when a device fails.

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/cuda_backends.h"
#include "tests/support/forwarding_device.h"
#include "tests/support/random_network.h"
#include "tests/support/reading_bytes.h"
#include "tests/support/run.h"

namespace spikeserve::testing {
namespace {

using engine::Mode;

// What the device of a test does next; none: it works.
struct Fault {
  std::optional<cuda::Failure> run, capture, pinned;
  int captures = 0;       // programs that were to be captured
  int prepared = 0;       // queues that were to be made ready for products
  int products_fail = 0;  // how many of the next ones find no memory
  std::string lost;       // once set, stays
};

// A queue that fails when it is told to.
class FaultyQueue final : public ForwardingQueue {
 public:
  FaultyQueue(std::unique_ptr<cuda::Queue> queue, Fault& fault)
      : ForwardingQueue(std::move(queue)), fault_(fault) {}

  void Run(const cuda::Program& program) override {
    Check();
    ForwardingQueue::Run(program);
  }
  void PrepareProducts() override {
    ++fault_.prepared;
    if (fault_.products_fail > 0) {
      --fault_.products_fail;
      throw cuda::DeviceError(cuda::Failure::kOutOfMemory, "cuBLAS create: failed");
    }
  }
  std::unique_ptr<cuda::CapturedProgram> Capture(const cuda::Program& program) override {
    ++fault_.captures;
    if (fault_.capture) {
      throw cuda::DeviceError(*fault_.capture, "end capture: failed");
    }
    return ForwardingQueue::Capture(program);
  }
  void Replay(cuda::CapturedProgram& captured) override {
    Check();
    ForwardingQueue::Replay(captured);
  }

 private:
  void Check() const {
    if (fault_.run) {
      fault_.lost = *fault_.run == cuda::Failure::kLost ? "an illegal address" : fault_.lost;
      throw cuda::DeviceError(*fault_.run, "launch: failed");
    }
  }

  Fault& fault_;
};

class FaultyDevice final : public ForwardingDevice {
 public:
  explicit FaultyDevice(Fault& fault)
      : ForwardingDevice(SmallLimits(),
                         [&fault](std::unique_ptr<cuda::Queue> queue) {
                           return std::make_unique<FaultyQueue>(std::move(queue), fault);
                         }),
        fault_(fault) {}

  std::string name() const override { return "Faulty"; }
  void* AllocatePinned(std::size_t bytes) override {
    if (fault_.pinned) {
      throw cuda::DeviceError(*fault_.pinned, "allocate pinned memory: failed");
    }
    return ForwardingDevice::AllocatePinned(bytes);
  }
  std::string broken() const override { return fault_.lost; }

 private:
  Fault& fault_;
};

class LostDevice : public ::testing::Test {
 protected:
  LostDevice() : random_(MakeRandomNetwork(2)), samples_(RandomSamples(random_, 2, 1)) {
    loaded_.backend =
        std::make_unique<engine::CudaBackend>(OneDevice(std::make_unique<FaultyDevice>(fault_)), MakeCpu());
    LoadAnew();
  }

  void LoadAnew() { loaded_.network = LoadOn(*loaded_.backend, random_.definition, Mode::kExact); }

  Result<std::unique_ptr<engine::Simulation>> Start() { return Start(random_.spec); }
  Result<std::unique_ptr<engine::Simulation>> Start(const engine::SimulationSpec& spec) {
    return NewSimulation(*loaded_.network, spec, InputsOf(samples_));
  }
  // Of a batch from its start to its end.
  Status RunBatch() { return RunBatch(random_.spec); }
  Status RunBatch(const engine::SimulationSpec& spec) {
    auto simulation = Start(spec);
    return simulation.ok() ? simulation.value()->Advance(spec.settings.steps) : simulation.status();
  }

  Fault fault_;
  const RandomNetwork random_;
  const std::vector<Sample> samples_;
  Loaded loaded_;
};

TEST_F(LostDevice, EndsTheRunningBatchAndTheHealthForGood) {
  EXPECT_TRUE(loaded_.backend->Health().ok());
  auto simulation = Start().value();
  ASSERT_TRUE(simulation->Advance(1).ok());
  fault_.run = cuda::Failure::kLost;
  const Status lost = simulation->Advance(1);
  EXPECT_EQ(lost.code(), StatusCode::kUnavailable);
  EXPECT_NE(lost.message().find("launch: failed"), std::string::npos) << lost.message();
  EXPECT_NE(lost.message().find("restarted"), std::string::npos) << lost.message();
  EXPECT_EQ(simulation->Read().status().code(), StatusCode::kUnavailable);
  const Status health = loaded_.backend->Health();
  EXPECT_EQ(health.code(), StatusCode::kUnavailable);
  EXPECT_NE(health.message().find("Faulty: an illegal address"), std::string::npos) << health.message();
  EXPECT_EQ(RunBatch().code(), StatusCode::kUnavailable);
}

TEST_F(LostDevice, ARefusedCallFailsOneBatchAlone) {
  fault_.run = cuda::Failure::kRefused;
  EXPECT_EQ(RunBatch().code(), StatusCode::kInternal);
  fault_.run.reset();
  EXPECT_TRUE(loaded_.backend->Health().ok());
  EXPECT_TRUE(RunBatch().ok());
}

// What no graph can be made of is launched call by call, with the same results, and is not tried again.
TEST_F(LostDevice, RunsWithoutGraphsWhereNoneCanBeMade) {
  const std::vector<std::optional<cuda::Failure>> failures = {std::nullopt, cuda::Failure::kRefused,
                                                              cuda::Failure::kOutOfMemory};
  std::vector<std::string> bytes;
  std::vector<int> captures;
  for (const std::optional<cuda::Failure>& failure : failures) {
    LoadAnew();
    fault_.captures = 0;
    fault_.capture = failure;
    for (int batch = 0; batch < 4; ++batch) {
      const engine::Reading reading = Simulate(loaded_, random_.spec, samples_);
      bytes.push_back(ReadingBytes(reading, 0) + ReadingBytes(reading, 1));
    }
    captures.push_back(fault_.captures);
  }
  EXPECT_EQ(bytes, std::vector<std::string>(bytes.size(), bytes.front()));
  EXPECT_GT(captures.front(), 0);
  EXPECT_EQ(captures, std::vector<int>(captures.size(), captures.front()));
  EXPECT_TRUE(loaded_.backend->Health().ok());
}

TEST_F(LostDevice, ADeviceThatIsLostWhileItCapturesIsLost) {
  ASSERT_TRUE(RunBatch().ok());
  fault_.capture = cuda::Failure::kLost;
  EXPECT_EQ(RunBatch().code(), StatusCode::kUnavailable);
}

// Where a batch starts is no reason to make another workspace.
TEST_F(LostDevice, BatchesOfOtherSeedsShareAWorkspace) {
  engine::SimulationSpec spec = random_.spec;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    spec.settings.seed = seed;
    EXPECT_TRUE(RunBatch(spec).ok());
    spec.settings.initial_voltage = engine::UniformVoltage{seed};
    EXPECT_TRUE(RunBatch(spec).ok());
  }
  EXPECT_EQ(fault_.prepared, 1);
}

// Memory that products lack is found like any other: idle workspaces are given up first.
TEST_F(LostDevice, IdleWorkspacesMakeRoomForProducts) {
  engine::SimulationSpec other = random_.spec;
  other.statistics = !other.statistics;
  ASSERT_TRUE(RunBatch().ok());
  ASSERT_TRUE(RunBatch().ok());
  ASSERT_EQ(fault_.prepared, 1);
  fault_.products_fail = 1;
  EXPECT_TRUE(RunBatch(other).ok());
  EXPECT_EQ(fault_.prepared, 3);
  EXPECT_TRUE(RunBatch().ok());
  EXPECT_EQ(fault_.prepared, 4) << "the first workspace was kept";
  LoadAnew();
  fault_.products_fail = 2;
  EXPECT_EQ(RunBatch().code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(RunBatch().ok());
}

TEST_F(LostDevice, NoPinnedMemoryIsResourceExhaustedAndHarmsNothing) {
  fault_.pinned = cuda::Failure::kOutOfMemory;
  EXPECT_EQ(RunBatch().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(
      loaded_.backend
          ->Load(std::make_shared<engine::Network>(engine::Network::Create(random_.definition, {}).value()),
                 Mode::kExact)
          .status()
          .code(),
      StatusCode::kResourceExhausted);
  fault_.pinned.reset();
  EXPECT_TRUE(loaded_.backend->Health().ok());
  EXPECT_TRUE(RunBatch().ok());
}

}  // namespace
}  // namespace spikeserve::testing
