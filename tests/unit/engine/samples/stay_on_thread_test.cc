#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "tests/support/cuda_backends.h"
#include "tests/support/random_network.h"
#include "tests/support/reading_bytes.h"
#include "tests/support/run.h"

namespace spikeserve::testing {
namespace {

TEST(StayOnThread, GivesTheSameBytes) {
  for (const std::uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    RandomNetwork network = MakeRandomNetwork(seed);
    const std::vector<Sample> samples = RandomSamples(network, 9, seed);
    for (const bool in_one : {false, true}) {
      network.spec.in_one = in_one;
      const Loaded loaded = Load(network.definition, engine::Mode::kExact, 3);
      const auto run = [&](bool stays) {
        auto simulation = NewSimulation(*loaded.network, network.spec, InputsOf(samples)).value();
        if (stays) {
          simulation->StayOnThread();
        }
        EXPECT_TRUE(simulation->Advance(network.spec.settings.steps).ok());
        if (loaded.backend->name() == "cpu") {
          EXPECT_GT(simulation->worked_s(), 0);
        }
        return simulation->TakeReading().value();
      };
      const engine::Reading spread = run(false);
      const engine::Reading alone = run(true);
      for (std::size_t i = 0; i < samples.size(); ++i) {
        EXPECT_EQ(ReadingBytes(alone, i), ReadingBytes(spread, i)) << "seed " << seed << ", sample " << i;
      }
    }
  }
}

// On the thread that calls: what another has begun meanwhile would be done there as well.
TEST(StayOnThread, LeavesTheThreadsOfThePoolAlone) {
  RandomNetwork network = MakeRandomNetwork(1);
  network.spec.in_one = true;
  const std::vector<Sample> samples = RandomSamples(network, 9, 1);
  const Loaded loaded = Load(network.definition, engine::Mode::kExact, 3);
  auto simulation = NewSimulation(*loaded.network, network.spec, InputsOf(samples)).value();
  simulation->StayOnThread();
  bool elsewhere = false;
  const auto here = std::this_thread::get_id();
  EXPECT_TRUE(simulation
                  ->Advance(network.spec.settings.steps,
                            [&] {
                              elsewhere = elsewhere || std::this_thread::get_id() != here;
                              return false;
                            })
                  .ok());
  EXPECT_FALSE(elsewhere);
}

}  // namespace
}  // namespace spikeserve::testing
