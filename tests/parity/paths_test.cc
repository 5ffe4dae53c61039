// Every loop and every instruction set of the CPU against the plain loops, by bytes.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/cpu/target.h"
#include "server/engine/cpu/layout/vector_weights.h"
#include "server/engine/cpu/layout/window_sums.h"
#include "server/engine/plan/compile.h"
#include "tests/support/random_cnn.h"
#include "tests/support/random_network.h"
#include "tests/support/reading_bytes.h"
#include "tests/support/run.h"

namespace spikeserve::testing {
namespace {

using engine::CpuPath;
using engine::Mode;
using engine::ProbeQuantity;
using engine::Reading;

#ifdef SPIKESERVE_SANITIZED
constexpr int kNetworks = 16;  // as every step takes ten times as long
#else
constexpr int kNetworks = 80;
#endif
constexpr std::uint64_t kForcedEvery = 2;  // networks on which the paths are forced, too

// Only what is read behind linear operations, so that no layer has to show every step.
void KeepFoldedProbes(RandomNetwork& network) {
  std::vector<std::int64_t> kept;
  for (const std::int64_t probe : network.spec.probes) {
    if (network.definition.probes[static_cast<std::size_t>(probe)].name == "output") {
      kept.push_back(probe);
    }
  }
  network.spec.probes = kept;
  network.spec.trajectories = false;
}

// Multiplies every gain, so that neurons spike so many times more often.
void Excite(RandomNetwork& network, double factor) {
  for (engine::OperationDefinition& operation : network.definition.operations) {
    if (auto* neuron = std::get_if<engine::NeuronOperation>(&operation.kind)) {
      const double* gain = std::get_if<double>(&neuron->gain);
      neuron->gain = factor * (gain != nullptr ? *gain : 1.0);
    }
  }
}

class Paths : public ::testing::TestWithParam<int> {
 protected:
  ~Paths() override { kernels::ForceCpuTarget(""); }

  static void ExpectSameBytes(const RandomNetwork& network, std::uint64_t seed) {
    const std::vector<Sample> samples = RandomSamples(network, 8, seed);
    for (const Mode mode : {Mode::kExact, Mode::kFast, Mode::kInt8}) {
      const Reading plain =
          Simulate(Load(network.definition, mode, 1, CpuPath::kPlain), network.spec, samples);
      for (const std::string& target : kernels::CpuTargets()) {
        kernels::ForceCpuTarget(target);
        for (const CpuPath path : {CpuPath::kAuto, CpuPath::kEvents, CpuPath::kChanges, CpuPath::kDigits}) {
          if (path != CpuPath::kAuto && seed % kForcedEvery != 0) {
            continue;
          }
          const Reading fast = Simulate(Load(network.definition, mode, 2, path), network.spec, samples);
          for (std::size_t i = 0; i < samples.size(); ++i) {
            EXPECT_TRUE(ReadingBytes(fast, i) == ReadingBytes(plain, i))
                << target << ", path " << static_cast<int>(path) << ", sample " << i
                << (mode == Mode::kFast ? ", fast mode" : "");
          }
        }
        kernels::ForceCpuTarget("");
      }
    }
  }

  std::uint64_t Seed() const { return static_cast<std::uint64_t>(GetParam()); }
};

TEST_P(Paths, AllProbes) { ExpectSameBytes(MakeRandomNetwork(Seed()), Seed()); }

TEST_P(Paths, EveryNeuronAndSynapse) { ExpectSameBytes(MakeRichNetwork(Seed()), Seed()); }

TEST_P(Paths, OutputsOnly) {
  RandomNetwork network = MakeRandomNetwork(Seed());
  KeepFoldedProbes(network);
  ExpectSameBytes(network, Seed());
}

// Some counts pass what a byte holds, others what sums of an int32 hold: the wider loops take over.
TEST_P(Paths, ManySpikesPerStep) {
  for (const double factor : {30.0, 3000.0, 1e5}) {
    RandomNetwork network = MakeRandomNetwork(Seed());
    KeepFoldedProbes(network);
    Excite(network, factor);
    ExpectSameBytes(network, Seed());
  }
}

TEST_P(Paths, SilentLayers) {
  RandomNetwork network = MakeRandomNetwork(Seed());
  KeepFoldedProbes(network);
  Excite(network, 1e-6);
  ExpectSameBytes(network, Seed());
}

TEST_P(Paths, Convolutional) {
  for (const double factor : {1.0, 40.0}) {
    RandomNetwork network = MakeRandomCnn(Seed());
    Excite(network, factor);
    ExpectSameBytes(network, Seed());
  }
}

// More steps than a chunk has, so that the last chunk is one of one step.
using LongPaths = Paths;

TEST_P(LongPaths, SeveralChunks) {
  RandomNetwork network = MakeRandomCnn(Seed());
  network.spec.settings.steps = 129;
  Excite(network, 40);
  ExpectSameBytes(network, Seed());
}

INSTANTIATE_TEST_SUITE_P(Seeds, LongPaths, ::testing::Range(2, kNetworks / 8 + 3, 2));
INSTANTIATE_TEST_SUITE_P(Seeds, Paths, ::testing::Range(1, kNetworks + 1));

// Windows of such layers are summed together, in threads that share a sample begun and ended anywhere.
TEST(WidePaths, WithMoreWeightsThanTheCacheHolds) {
  for (std::uint64_t seed = 1; seed <= kNetworks / 16; ++seed) {
    const RandomNetwork network = MakeWideCnn(seed);
    const std::vector<Sample> samples = RandomSamples(network, 1, seed);
    for (const Mode mode : {Mode::kExact, Mode::kFast, Mode::kInt8}) {
      const Reading plain =
          Simulate(Load(network.definition, mode, 1, CpuPath::kPlain), network.spec, samples);
      for (const CpuPath path : {CpuPath::kEvents, CpuPath::kChanges, CpuPath::kDigits}) {
        for (const std::int64_t threads : {1, 2, 5}) {
          const Reading fast = Simulate(Load(network.definition, mode, threads, path), network.spec, samples);
          for (std::size_t i = 0; i < samples.size(); ++i) {
            EXPECT_TRUE(ReadingBytes(fast, i) == ReadingBytes(plain, i))
                << threads << " threads, path " << static_cast<int>(path) << ", sample " << i;
          }
        }
      }
    }
  }
}

struct Taken {
  int usable = 0, packed = 0, narrow = 0, two_digits = 0, pooled = 0, negatives = 0;
};

engine::VectorWeights VectorWeightsOf(const RandomNetwork& random, Mode mode) {
  engine::Network network = engine::Network::Create(random.definition, {}).value();
  const auto plan = engine::Compile(std::make_shared<const engine::Network>(std::move(network)), {},
                                    engine::LargestWeight(mode));
  return engine::MakeVectorWeights(plan.value(), true);
}

// What the fast loops take of random convolutional networks.
Taken CountTaken(Mode mode) {
  Taken taken;
  for (std::uint64_t seed = 1; seed <= kNetworks; ++seed) {
    for (const engine::VectorLayerWeights& layer : VectorWeightsOf(MakeRandomCnn(seed), mode)) {
      taken.usable += layer.usable ? 1 : 0;
      for (const engine::VectorTerm& term : layer.terms) {
        taken.packed += term.events.empty() ? 0 : 1;
        taken.narrow += !term.events.empty() && term.events.narrow() ? 1 : 0;
        taken.two_digits += !term.digits.empty() && term.digits.digits() == 2 ? 1 : 0;
        taken.negatives += !term.events.empty() && term.events.negatives() ? 1 : 0;
        taken.pooled += term.runs.runs() > 0 ? 1 : 0;
      }
    }
  }
  return taken;
}

// The comparison above would say nothing if no layer of those networks took the fast loops.
TEST(VectorWeights, TakesTheLayersOfConvolutionalNetworks) {
  for (const Mode mode : {Mode::kExact, Mode::kFast, Mode::kInt8}) {
    const Taken taken = CountTaken(mode);
    EXPECT_GE(taken.usable, kNetworks);
    EXPECT_GE(taken.packed, kNetworks / 2);
    EXPECT_GE(taken.pooled, kNetworks / 8);
    EXPECT_EQ(taken.narrow, mode == Mode::kExact ? 0 : taken.packed);
    EXPECT_EQ(taken.two_digits, mode == Mode::kFast ? taken.packed : 0);
    EXPECT_GE(taken.negatives, taken.packed * 7 / 8);  // they take changes where these are forced
  }
}

TEST(VectorWeights, SumsWindowsOfWideLayersTogether) {
  for (const Mode mode : {Mode::kExact, Mode::kFast, Mode::kInt8}) {
    const engine::VectorWeights plan = VectorWeightsOf(MakeWideCnn(1), mode);
    ASSERT_GE(plan.size(), 2U);
    EXPECT_EQ(engine::WindowSums::Bundle(plan[0].terms[0]), 1);
    EXPECT_EQ(engine::WindowSums::Bundle(plan[1].terms[0]), engine::WindowSums::kMostPerBundle);
    EXPECT_FALSE(plan[1].terms[0].events.negatives());  // they would come from far away
  }
}

TEST(CpuTargets, CanBeForced) {
  for (const std::string& target : kernels::CpuTargets()) {
    kernels::ForceCpuTarget(target);
    EXPECT_EQ(kernels::CpuTargetInForce(), target);
  }
  kernels::ForceCpuTarget("");
  EXPECT_EQ(kernels::CpuTargetInForce(), kernels::CpuTargets().front());
}

}  // namespace
}  // namespace spikeserve::testing
