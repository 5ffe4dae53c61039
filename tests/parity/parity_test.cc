// Properties of random networks: what a sample's result may depend on, and what not.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "tests/support/random.h"
#include "tests/support/random_network.h"
#include "tests/support/reading_bytes.h"
#include "tests/support/run.h"

namespace spikeserve::testing {
namespace {

using engine::Mode;
using engine::ProbeQuantity;
using engine::Reading;

constexpr int kNetworks = 60;
constexpr int kRichNetworks = 80;        // behind the others
constexpr double kFloatRounding = 4e-6;  // of the largest value of the trajectory
constexpr double kDoubleRounding = 1e-13;

std::vector<std::int64_t> RandomChunks(Random& random, std::int64_t steps) {
  std::vector<std::int64_t> chunks;
  while (steps > 0) {
    chunks.push_back(random.Between(1, std::min<std::int64_t>(steps, 9)));
    steps -= chunks.back();
  }
  return chunks;
}

class Parity : public ::testing::TestWithParam<int> {
 protected:
  Parity() : network_(MakeNetwork()), samples_(RandomSamples(network_, 7, Seed())) {}

  std::uint64_t Seed() const { return static_cast<std::uint64_t>(GetParam()); }
  RandomNetwork MakeNetwork() const {
    return GetParam() <= kNetworks ? MakeRandomNetwork(Seed()) : MakeRichNetwork(Seed());
  }
  // Izhikevich's neuron turns the last bits of a voltage into another spike train.
  bool IsChaotic() const {
    const auto& operations = network_.definition.operations;
    return std::any_of(operations.begin(), operations.end(), [](const auto& operation) {
      const auto* neuron = std::get_if<engine::NeuronOperation>(&operation.kind);
      return neuron != nullptr && std::holds_alternative<engine::Izhikevich>(neuron->model);
    });
  }

  // Runs a batch of these samples and compares each with its bytes when run alone.
  void ExpectSameAsAlone(const Loaded& loaded, const std::vector<std::size_t>& members,
                         const std::vector<std::int64_t>& chunks, const std::vector<std::string>& alone) {
    std::vector<Sample> batch;
    for (const std::size_t member : members) {
      batch.push_back(samples_[member]);
    }
    const Reading reading = Simulate(loaded, network_.spec, batch, chunks);
    ASSERT_EQ(reading.steps_done, network_.spec.settings.steps);
    for (std::size_t i = 0; i < members.size(); ++i) {
      EXPECT_TRUE(ReadingBytes(reading, i) == alone[members[i]])
          << "sample " << members[i] << " at " << i << " of " << members.size() << " in " << chunks.size()
          << " chunks";
    }
  }

  void ExpectIndependence(Mode mode) {
    const Loaded one = Load(network_.definition, mode, 1);
    std::vector<std::string> alone;
    for (const Sample& sample : samples_) {
      const Reading reading = Simulate(one, network_.spec, {sample});
      ASSERT_TRUE(reading.sample_status.at(0).ok()) << reading.sample_status[0].message();
      alone.push_back(ReadingBytes(reading, 0));
    }
    Random random(Seed());
    const Loaded three = Load(network_.definition, mode, 3);
    for (const Loaded* loaded : {&one, static_cast<const Loaded*>(&three)}) {
      ExpectSameAsAlone(*loaded, {0, 1, 2, 3, 4, 5, 6}, {}, alone);
      ExpectSameAsAlone(*loaded, {4, 2, 2}, RandomChunks(random, network_.spec.settings.steps), alone);
      ExpectSameAsAlone(*loaded, {6}, std::vector<std::int64_t>(Steps(), 1), alone);
    }
  }

  void ExpectReadout(const engine::ProbeReading& probe, double rounding) const {
    const engine::Readout& readout = network_.spec.settings.readout;
    const bool mean = readout.kind == engine::ReadoutKind::kMean;
    const std::size_t first = mean ? static_cast<std::size_t>(readout.skip_steps) : Steps() - 1;
    const auto size = static_cast<std::size_t>(probe.size);
    ASSERT_EQ(probe.trajectory.size(), samples_.size() * Steps() * size);
    double largest = 0;
    for (const double value : probe.trajectory) {
      largest = std::max(largest, std::abs(value));
    }
    for (std::size_t i = 0; i < probe.values.size(); ++i) {
      double sum = 0;
      for (std::size_t step = first; step < Steps(); ++step) {
        sum += probe.trajectory[(i / size * Steps() + step) * size + i % size];
      }
      ASSERT_NEAR(probe.values[i], sum / static_cast<double>(Steps() - first), rounding * largest);
    }
  }

  void ExpectCounts(const engine::ProbeReading& got, const engine::ProbeReading& wanted) const {
    const auto size = static_cast<std::size_t>(got.size);
    std::vector<double> ahead(got.trajectory.size());  // cumulative
    std::size_t close = 0;
    for (std::size_t i = 0; i < ahead.size(); ++i) {
      const double before = i % (size * Steps()) >= size ? ahead[i - size] : 0.0;
      ahead[i] = before + got.trajectory[i] - wanted.trajectory[i];
      close += std::abs(ahead[i]) <= 1 ? 1 : 0;
    }
    EXPECT_GE(static_cast<double>(close), 0.999 * static_cast<double>(ahead.size()));
  }

  // One spike that moved by a step is what outputs may differ by, and short runs have few.
  void ExpectOutputs(const engine::ProbeReading& got, const engine::ProbeReading& wanted) const {
    double largest = 0;
    double off = 0;
    for (std::size_t i = 0; i < got.values.size(); ++i) {
      largest = std::max(largest, std::abs(wanted.values[i]));
      off += std::abs(got.values[i] - wanted.values[i]) / static_cast<double>(got.values.size());
    }
    EXPECT_LE(off, 1e-3 * largest);
  }

  std::size_t Steps() const { return static_cast<std::size_t>(network_.spec.settings.steps); }

  RandomNetwork network_;
  std::vector<Sample> samples_;
};

TEST_P(Parity, ExactSampleIsIndependentOfBatchChunksAndThreads) { ExpectIndependence(Mode::kExact); }

TEST_P(Parity, Int8SampleIsIndependentOfBatchChunksAndThreads) { ExpectIndependence(Mode::kInt8); }

TEST_P(Parity, FastSampleIsIndependentOfBatchChunksAndThreads) { ExpectIndependence(Mode::kFast); }

TEST_P(Parity, ExactTrajectoryIsIndependentOfBatchChunksAndThreads) {
  network_.spec.trajectories = true;
  ExpectIndependence(Mode::kExact);
}

TEST_P(Parity, ReferenceSampleIsIndependentOfBatchChunksAndThreads) {
  network_.spec.trajectories = true;
  ExpectIndependence(Mode::kReference);
}

TEST_P(Parity, AskingForTheTrajectoryChangesNoByte) {
  for (const Mode mode : {Mode::kExact, Mode::kFast, Mode::kInt8, Mode::kReference}) {
    const Loaded loaded = Load(network_.definition, mode);
    network_.spec.trajectories = false;
    const Reading without = Simulate(loaded, network_.spec, samples_);
    network_.spec.trajectories = true;
    Reading with = Simulate(loaded, network_.spec, samples_);
    for (engine::ProbeReading& probe : with.probes) {
      probe.trajectory.clear();
    }
    for (std::size_t sample = 0; sample < samples_.size(); ++sample) {
      EXPECT_TRUE(ReadingBytes(with, sample) == ReadingBytes(without, sample)) << "sample " << sample;
    }
  }
}

// The readout is the mean of the trajectory after skip_steps, or its last step. In exact and fast mode a
// linear readout may come from spike counts in one product at the end, which rounds float32 sums in another
// order than step by step.
TEST_P(Parity, ReadoutIsThatOfTheTrajectory) {
  network_.spec.trajectories = true;
  for (const Mode mode : {Mode::kExact, Mode::kFast, Mode::kInt8, Mode::kReference}) {
    const Reading reading = Simulate(Load(network_.definition, mode), network_.spec, samples_);
    for (const engine::ProbeReading& probe : reading.probes) {
      ExpectReadout(probe, mode == Mode::kReference ? kDoubleRounding : kFloatRounding);
    }
  }
}

// Cumulative spike counts of float32 neurons on 22-bit weights against float64 ones.
TEST_P(Parity, ExactAgreesWithReference) {
  if (IsChaotic()) {
    return;  // the other properties judge it
  }
  network_.spec.trajectories = true;
  const Reading exact = Simulate(Load(network_.definition, Mode::kExact), network_.spec, samples_);
  const Reading reference = Simulate(Load(network_.definition, Mode::kReference), network_.spec, samples_);
  for (std::size_t p = 0; p < exact.probes.size(); ++p) {
    const engine::ProbeDefinition& probe = network_.definition.probes[p];
    SCOPED_TRACE(probe.name);
    if (probe.quantity == ProbeQuantity::kSpikes) {
      ExpectCounts(exact.probes[p], reference.probes[p]);
    } else if (probe.name == "output") {
      ExpectOutputs(exact.probes[p], reference.probes[p]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(RandomNetworks, Parity, ::testing::Range(1, kNetworks + kRichNetworks + 1));

}  // namespace
}  // namespace spikeserve::testing
