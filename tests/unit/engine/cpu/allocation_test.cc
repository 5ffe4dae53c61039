// Runs of one kind allocate nothing once the first ones are over, and no more than is estimated before.

#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include "tests/support/count_readers.h"
#include "tests/support/random_cnn.h"
#include "tests/support/random_network.h"
#include "tests/support/run.h"

namespace {

std::atomic<std::int64_t> allocations = 0;
std::atomic<std::int64_t> live = 0;  // bytes
std::atomic<std::int64_t> peak = 0;  // of them

void CountLive(std::int64_t bytes) {
  const std::int64_t now = live += bytes;
  std::int64_t seen = peak;
  while (seen < now && !peak.compare_exchange_weak(seen, now)) {
  }
}

void* Allocate(std::size_t bytes, std::size_t alignment) {
  ++allocations;
  void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  CountLive(static_cast<std::int64_t>(malloc_usable_size(memory)));
  return memory;
}

void Free(void* memory) {
  CountLive(-static_cast<std::int64_t>(malloc_usable_size(memory)));
  std::free(memory);
}

}  // namespace

void* operator new(std::size_t bytes) { return Allocate(bytes, alignof(std::max_align_t)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return Allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { Free(memory); }
void operator delete(void* memory, std::size_t) noexcept { Free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { Free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { Free(memory); }

namespace spikeserve::testing {
namespace {

std::vector<engine::SampleInputs> InputsOf(const std::vector<Sample>& samples) {
  std::vector<engine::SampleInputs> inputs(samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    inputs[i].index = static_cast<std::int64_t>(i);
    for (const auto& input : samples[i].inputs) {
      inputs[i].data.push_back(input.data());
    }
  }
  return inputs;
}

engine::SimulationSpec WithInputs(const RandomNetwork& network,
                                  const std::vector<engine::InputFormat>& formats) {
  engine::SimulationSpec spec = network.spec;
  spec.inputs = formats;
  return spec;
}

std::vector<RandomNetwork> EveryKind(std::uint64_t seed) {
  return {MakeRandomNetwork(seed), MakeRichNetwork(seed), MakeRandomCnn(seed),
          WithCountReaders(MakeMemoryNetwork(seed), seed),
          WithCountReaders(MakeMemoryCnn(seed, 30), seed, 30)};
}

class Allocations : public ::testing::TestWithParam<int> {};

TEST_P(Allocations, NoneWhileSamplesRun) {
  const auto seed = static_cast<std::uint64_t>(GetParam());
  RandomNetwork network = MakeRandomCnn(seed);
  network.spec.trajectories = false;
  network.spec.statistics = false;
  network.spec.in_one = true;
  const std::vector<Sample> samples = RandomSamples(network, 96, seed);
  for (const std::int64_t threads : {1, 2}) {
    const Loaded loaded = Load(network.definition, engine::Mode::kExact, threads);
    const auto advance = [&] {
      const std::vector<engine::SampleInputs> inputs = InputsOf(samples);
      const auto simulation = NewSimulation(*loaded.network, network.spec, inputs);
      const std::int64_t before = allocations;
      EXPECT_TRUE(simulation.value()->Advance(network.spec.settings.steps).ok());
      return allocations - before;
    };
    EXPECT_GT(advance(), 0);  // the counter counts
    // Which thread takes which samples is chance: until each has seen the busiest, buffers may grow.
    std::int64_t fewest = advance();
    for (int run = 0; run < 50 && fewest > 0; ++run) {
      fewest = std::min(fewest, advance());
    }
    EXPECT_EQ(fewest, 0) << threads << " threads";
    if (threads == 1) {
      EXPECT_EQ(advance(), 0);
    }
  }
}

TEST_P(Allocations, NoMoreThanEstimated) {
  const auto seed = static_cast<std::uint64_t>(GetParam());
  for (RandomNetwork network : EveryKind(seed)) {
    for (const std::size_t count : {1, 5, 40}) {
      for (const bool in_one : {false, true}) {
        network.spec.in_one = in_one;
        network.spec.trajectories = seed % 2 == 0;
        network.spec.statistics = seed % 3 == 0;
        const std::vector<Sample> samples = RandomSamples(network, static_cast<std::int64_t>(count), seed);
        const std::vector<engine::SampleInputs> inputs = InputsOf(samples);
        for (const auto path : {engine::CpuPath::kAuto, engine::CpuPath::kPlain, engine::CpuPath::kDigits}) {
          const Loaded loaded = Load(network.definition, engine::Mode::kExact, 1, path);
          const std::int64_t estimate =
              EstimateRunBytes(*loaded.network, network.spec, static_cast<std::int64_t>(count));
          const std::int64_t before = live;
          peak = before;
          const auto simulation = NewSimulation(*loaded.network, network.spec, inputs);
          ASSERT_TRUE(simulation.value()->Advance(network.spec.settings.steps).ok());
          ASSERT_TRUE(simulation.value()->Read().ok());
          EXPECT_LE(peak - before, estimate) << count << " samples, in one: " << in_one;
        }
      }
    }
  }
}

// A session is estimated when nobody knows yet in which format its inputs will come.
TEST_P(Allocations, NoMoreThanEstimatedInSessions) {
  const auto seed = static_cast<std::uint64_t>(GetParam());
  for (RandomNetwork network : EveryKind(seed)) {
    const std::vector<engine::InputFormat> formats = network.spec.inputs;
    network.spec.inputs.assign(formats.size(), {});
    network.spec.session = true;
    network.spec.trajectories = false;
    for (const std::int64_t count : {1, 5, 40}) {
      const std::vector<Sample> samples =
          RandomSamples({network.definition, WithInputs(network, formats)}, count, seed);
      const std::vector<engine::SampleInputs> inputs = InputsOf(samples);
      const std::vector<engine::SampleInputs> nothing(inputs.size(),
                                                      {engine::InputAddresses(formats.size())});
      for (const std::int64_t threads : {1, 2}) {
        const Loaded loaded = Load(network.definition, engine::Mode::kExact, threads);
        const std::int64_t estimate = EstimateRunBytes(*loaded.network, network.spec, count);
        const std::int64_t before = live;
        peak = before;
        const auto session = NewSimulation(*loaded.network, network.spec, nothing);
        ASSERT_TRUE(session.value()->Feed(formats, inputs).ok());
        ASSERT_TRUE(session.value()->Advance(network.spec.settings.steps).ok());
        ASSERT_TRUE(session.value()->Read().ok());
        EXPECT_LE(peak - before, estimate) << count << " samples, " << threads << " threads";
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Allocations, ::testing::Range(1, 25));

}  // namespace
}  // namespace spikeserve::testing
