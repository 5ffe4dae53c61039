// Runs of all steps in one, group by group in kept memory, against runs that keep every sample's state.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/random_cnn.h"
#include "tests/support/random_network.h"
#include "tests/support/reading_bytes.h"
#include "tests/support/run.h"

namespace spikeserve::testing {
namespace {

using engine::Mode;
using engine::Reading;

class InOne : public ::testing::TestWithParam<int> {
 protected:
  // Three times on the same network: the second run takes over the first one's memory.
  static void ExpectSameBytes(RandomNetwork network, std::uint64_t seed, Mode mode) {
    const std::vector<Sample> samples = RandomSamples(network, 60, seed);
    const Loaded loaded = Load(network.definition, mode, 2);
    const Reading kept = Simulate(loaded, network.spec, samples);
    network.spec.in_one = true;
    for (int repeat = 0; repeat < 3; ++repeat) {
      // Other samples first, so that what is taken over is not what is wanted.
      const std::vector<Sample> rotated = Rotated(samples, repeat * 7);
      const Reading in_one = Simulate(loaded, network.spec, rotated);
      ASSERT_EQ(in_one.steps_done, kept.steps_done);
      for (std::size_t i = 0; i < samples.size(); ++i) {
        const std::size_t from = (i + static_cast<std::size_t>(repeat) * 7) % samples.size();
        ASSERT_TRUE(ReadingBytes(in_one, i) == ReadingBytes(kept, from))
            << "sample " << from << ", " << repeat;
      }
    }
  }

  static std::vector<Sample> Rotated(const std::vector<Sample>& samples, int by) {
    std::vector<Sample> rotated;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const std::size_t from = (i + static_cast<std::size_t>(by)) % samples.size();
      rotated.push_back(samples[from]);
      rotated.back().index = samples[from].index.value_or(static_cast<std::int64_t>(from));
    }
    return rotated;
  }

  std::uint64_t Seed() const { return static_cast<std::uint64_t>(GetParam()); }
};

TEST_P(InOne, EveryNeuronAndSynapse) { ExpectSameBytes(MakeRichNetwork(Seed()), Seed(), Mode::kExact); }

TEST_P(InOne, Int8) { ExpectSameBytes(MakeRandomCnn(Seed()), Seed(), Mode::kInt8); }

TEST_P(InOne, Fast) { ExpectSameBytes(MakeRandomCnn(Seed()), Seed(), Mode::kFast); }

TEST_P(InOne, Reference) { ExpectSameBytes(MakeRandomNetwork(Seed()), Seed(), Mode::kReference); }

TEST_P(InOne, Convolutional) {
  RandomNetwork network = MakeRandomCnn(Seed());
  ExpectSameBytes(network, Seed(), Mode::kExact);
  network.spec.trajectories = false;
  network.spec.statistics = Seed() % 2 == 0;
  ExpectSameBytes(network, Seed(), Mode::kExact);
}

TEST_P(InOne, EarlyExit) {
  RandomNetwork network = MakeRandomCnn(Seed());
  network.spec.trajectories = false;
  network.spec.early_exit = engine::EarlyExit{0, 3, 2, 0.01};
  ExpectSameBytes(network, Seed(), Mode::kExact);
}

INSTANTIATE_TEST_SUITE_P(Seeds, InOne, ::testing::Range(1, 21));

TEST(InOneRun, RefusesAPartOfTheSteps) {
  RandomNetwork network = MakeRandomCnn(1);
  network.spec.in_one = true;
  network.spec.settings.steps = 10;
  const Loaded loaded = Load(network.definition, Mode::kExact);
  const std::vector<Sample> samples = RandomSamples(network, 1, 1);
  EXPECT_THROW(Simulate(loaded, network.spec, samples, {4, 6}), std::runtime_error);
}

}  // namespace
}  // namespace spikeserve::testing
