#include <gtest/gtest.h>

#include <vector>

#include "tests/support/cuda_backends.h"
#include "tests/support/random_network.h"
#include "tests/support/reading_bytes.h"
#include "tests/support/run.h"

namespace spikeserve::testing {
namespace {

TEST(TakeReading, IsTheReading) {
  for (const std::uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    RandomNetwork network = MakeRandomNetwork(seed);
    const std::vector<Sample> samples = RandomSamples(network, 5, seed);
    for (const bool in_one : {false, true}) {
      network.spec.in_one = in_one;
      const Loaded loaded = Load(network.definition, engine::Mode::kExact);
      const auto simulation = NewSimulation(*loaded.network, network.spec, InputsOf(samples));
      ASSERT_TRUE(simulation.value()->Advance(network.spec.settings.steps).ok());
      const engine::Reading read = simulation.value()->Read().value();
      const engine::Reading taken = simulation.value()->TakeReading().value();
      for (std::size_t i = 0; i < samples.size(); ++i) {
        EXPECT_EQ(ReadingBytes(taken, i), ReadingBytes(read, i)) << "seed " << seed << ", sample " << i;
      }
    }
  }
}

}  // namespace
}  // namespace spikeserve::testing
