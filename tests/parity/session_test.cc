// Sessions: a run in random pieces equals the run in one, by bytes, with any number of threads.

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "tests/support/random_cnn.h"
#include "tests/support/random_network.h"
#include "tests/support/reading_bytes.h"
#include "tests/support/run.h"

namespace spikeserve::testing {
namespace {

using engine::CpuPath;
using engine::Mode;
using engine::Reading;
using engine::SampleInputs;

constexpr int kNetworks = 40;

class Sessions : public ::testing::TestWithParam<int> {
 protected:
  std::uint64_t Seed() const { return static_cast<std::uint64_t>(GetParam()); }
};

std::int64_t ElementsOf(const engine::NetworkDefinition& definition, std::size_t input) {
  std::size_t seen = 0;
  for (const engine::OperationDefinition& operation : definition.operations) {
    const auto* in = std::get_if<engine::InputOperation>(&operation.kind);
    if (in != nullptr && seen++ == input) {
      return engine::ElementCount(in->shape);
    }
  }
  return 0;
}

// Where the inputs of a piece begin that starts after `done` steps.
std::vector<SampleInputs> Piece(const RandomNetwork& network, const std::vector<Sample>& samples,
                                std::int64_t done) {
  std::vector<SampleInputs> inputs(samples.size());
  for (std::size_t s = 0; s < samples.size(); ++s) {
    inputs[s].index = static_cast<std::int64_t>(s);
    for (std::size_t i = 0; i < samples[s].inputs.size(); ++i) {
      const engine::InputFormat& format = network.spec.inputs[i];
      const std::int64_t first = format.per_step ? done * ElementsOf(network.definition, i) : 0;
      inputs[s].data.push_back(samples[s].inputs[i].data() + first * SizeOf(format.type));
    }
  }
  return inputs;
}

// The same values in a wider type, where there is one that gives the same numbers.
void Widen(RandomNetwork& network, std::vector<Sample>& samples) {
  for (std::size_t i = 0; i < network.spec.inputs.size(); ++i) {
    if (network.spec.inputs[i].type != engine::DataType::kFloat32) {
      continue;
    }
    network.spec.inputs[i].type = engine::DataType::kFloat64;
    for (Sample& sample : samples) {
      std::vector<float> values(sample.inputs[i].size() / sizeof(float));
      std::memcpy(values.data(), sample.inputs[i].data(), sample.inputs[i].size());
      sample.inputs[i] = Bytes(std::vector<double>(values.begin(), values.end()));
    }
  }
}

void ExpectPiecesEqualTheWhole(RandomNetwork network, std::uint64_t seed, Mode mode) {
  const std::vector<Sample> samples = RandomSamples(network, 5, seed);
  for (const bool trajectories : {false, true}) {
    network.spec.trajectories = trajectories;
    network.spec.statistics = true;
    const Reading whole = Simulate(Load(network.definition, mode, 1, CpuPath::kPlain), network.spec, samples);
    const Loaded loaded = Load(network.definition, mode, 2);
    engine::SimulationSpec spec = network.spec;
    spec.session = true;
    spec.settings.steps = std::int64_t{1} << 40;
    const auto session = NewSimulation(*loaded.network, spec, Piece(network, samples, 0));
    ASSERT_TRUE(session.ok()) << session.status().message();
    std::mt19937_64 random(seed);
    RandomNetwork wide = network;
    std::vector<Sample> wide_samples = samples;
    Widen(wide, wide_samples);
    Reading reading;
    std::vector<std::vector<double>> paths(whole.probes.size() * samples.size());
    for (std::int64_t done = 0; done < network.spec.settings.steps;) {
      const auto most = static_cast<std::uint64_t>(network.spec.settings.steps - done);
      const std::int64_t steps = 1 + static_cast<std::int64_t>(random() % most);
      const bool other_format = random() % 2 == 0;
      const RandomNetwork& fed = other_format ? wide : network;
      const std::vector<SampleInputs> piece = Piece(fed, other_format ? wide_samples : samples, done);
      ASSERT_TRUE(session.value()->Feed(fed.spec.inputs, piece).ok());
      ASSERT_TRUE(session.value()->Advance(steps).ok());
      done += steps;
      reading = session.value()->Read().value();
      ASSERT_EQ(reading.steps_done, done);
      for (std::size_t p = 0; trajectories && p < reading.probes.size(); ++p) {
        const auto row = static_cast<std::ptrdiff_t>(steps * reading.probes[p].size);
        for (std::size_t s = 0; s < samples.size(); ++s) {
          const auto from = reading.probes[p].trajectory.begin() + static_cast<std::ptrdiff_t>(s) * row;
          std::vector<double>& path = paths[p * samples.size() + s];
          path.insert(path.end(), from, from + row);
        }
      }
    }
    for (std::size_t p = 0; p < reading.probes.size(); ++p) {
      reading.probes[p].trajectory.clear();
      for (std::size_t s = 0; s < samples.size(); ++s) {
        const std::vector<double>& path = paths[p * samples.size() + s];
        reading.probes[p].trajectory.insert(reading.probes[p].trajectory.end(), path.begin(), path.end());
      }
    }
    for (std::size_t s = 0; s < samples.size(); ++s) {
      if (!whole.sample_status[s].ok()) {
        continue;  // a trajectory is not filled then
      }
      EXPECT_TRUE(ReadingBytes(reading, s) == ReadingBytes(whole, s)) << "sample " << s;
    }
  }
}

TEST_P(Sessions, InPiecesEqualTheRunInOne) {
  ExpectPiecesEqualTheWhole(MakeRandomNetwork(Seed()), Seed(), Mode::kExact);
  ExpectPiecesEqualTheWhole(MakeRandomNetwork(Seed()), Seed(), Mode::kReference);
}

TEST_P(Sessions, OfEveryNeuronAndSynapseInPiecesEqualTheRunInOne) {
  ExpectPiecesEqualTheWhole(MakeRichNetwork(Seed()), Seed(), Mode::kExact);
}

TEST_P(Sessions, ConvolutionalInPiecesEqualTheRunInOne) {
  ExpectPiecesEqualTheWhole(MakeRandomCnn(Seed()), Seed(), Mode::kExact);
  ExpectPiecesEqualTheWhole(MakeRandomCnn(Seed()), Seed(), Mode::kFast);
}

TEST_P(Sessions, OfNeuronsWithMemoryInPiecesEqualTheRunInOne) {
  ExpectPiecesEqualTheWhole(MakeMemoryNetwork(Seed()), Seed(), Mode::kExact);
  ExpectPiecesEqualTheWhole(MakeMemoryCnn(Seed(), 30), Seed(), Mode::kExact);
}

// A sample that is reset runs as if it were new; its neighbours do not notice.
TEST_P(Sessions, ResetSampleStartsAnewAndAlone) {
  RandomNetwork network = MakeRandomNetwork(Seed());
  for (engine::InputFormat& format : network.spec.inputs) {
    format.per_step = false;
  }
  network.spec.trajectories = false;
  const std::vector<Sample> samples = RandomSamples(network, 3, Seed());
  const Loaded loaded = Load(network.definition, Mode::kExact, 2);
  const auto run = [&](std::int64_t steps) {
    engine::SimulationSpec spec = network.spec;
    spec.settings.steps = steps;
    spec.settings.readout = {};
    return Simulate(loaded, spec, samples);
  };
  engine::SimulationSpec spec = network.spec;
  spec.session = true;
  spec.settings.readout = {};
  spec.settings.steps = std::int64_t{1} << 40;
  const std::vector<SampleInputs> inputs = Piece(network, samples, 0);
  const auto session = NewSimulation(*loaded.network, spec, inputs);
  ASSERT_TRUE(session.ok());
  EXPECT_EQ(session.value()->Advance(1).code(), StatusCode::kFailedPrecondition);  // nothing was fed
  ASSERT_TRUE(session.value()->Feed(spec.inputs, inputs).ok() && session.value()->Advance(9).ok());
  const std::vector<std::int64_t> second{1};
  ASSERT_TRUE(session.value()->Reset(second).ok());
  EXPECT_EQ(session.value()->Advance(1).code(), StatusCode::kFailedPrecondition);
  ASSERT_TRUE(session.value()->Feed(spec.inputs, inputs).ok() && session.value()->Advance(8).ok());
  const Reading reading = session.value()->Read().value();
  EXPECT_EQ(reading.steps_used, (std::vector<std::int64_t>{17, 8, 17}));
  EXPECT_EQ(ReadingBytes(reading, 0), ReadingBytes(run(17), 0));
  EXPECT_EQ(ReadingBytes(reading, 1), ReadingBytes(run(8), 1));
  EXPECT_EQ(ReadingBytes(reading, 2), ReadingBytes(run(17), 2));
}

INSTANTIATE_TEST_SUITE_P(Seeds, Sessions, ::testing::Range(1, kNetworks + 1));

}  // namespace
}  // namespace spikeserve::testing
