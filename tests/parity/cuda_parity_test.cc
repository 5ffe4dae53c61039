// The CUDA backend against the plain loops of the CPU, by bytes, on random networks: its programs run by host
// loops on every machine, and on the GPU in a build that has kernels for one.

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/support/cuda_backends.h"
#include "tests/support/random.h"
#include "tests/support/random_cnn.h"
#include "tests/support/random_network.h"
#include "tests/support/reading_bytes.h"
#include "tests/support/run.h"

namespace spikeserve::testing {
namespace {

using engine::Mode;
using engine::Reading;

constexpr int kNetworks = 60;
constexpr int kImageNetworks = 12;  // behind the others
constexpr int kRichNetworks = 80;   // every neuron and synapse, behind those
constexpr std::int64_t kSamples = 7;

enum class Place { kHost, kGpu };

class CudaParity : public ::testing::TestWithParam<std::tuple<Place, int>> {
 protected:
  CudaParity() : network_(MakeNetwork(Number())), samples_(RandomSamples(network_, kSamples, Seed())) {}

  void SetUp() override {
    std::string why_not;
    cuda_.backend = std::get<0>(GetParam()) == Place::kHost ? MakeHostTwin() : MakeGpu(why_not);
    if (cuda_.backend == nullptr) {
      GTEST_SKIP() << why_not;
    }
    cpu_.backend = MakeCpu(engine::CpuPath::kPlain);
    LoadIn(Mode::kExact);
  }

  void LoadIn(Mode mode) {
    for (Loaded* loaded : {&cuda_, &cpu_}) {
      loaded->network = LoadOn(*loaded->backend, network_.definition, mode);
    }
  }

  static RandomNetwork MakeNetwork(int number) {
    const auto seed = static_cast<std::uint64_t>(number);
    if (number <= kNetworks) {
      return MakeRandomNetwork(seed);
    }
    return number <= kNetworks + kImageNetworks ? MakeRandomCnn(seed - kNetworks) : MakeRichNetwork(seed);
  }
  static int Number() { return std::get<1>(GetParam()); }
  static std::uint64_t Seed() { return static_cast<std::uint64_t>(Number()); }

  std::vector<std::int64_t> RandomChunks(std::uint64_t salt) const {
    Random random(Seed() + salt);
    std::vector<std::int64_t> chunks;
    for (std::int64_t left = network_.spec.settings.steps; left > 0; left -= chunks.back()) {
      chunks.push_back(random.Between(1, std::min<std::int64_t>(left, 9)));
    }
    return chunks;
  }

  void ExpectSameBytes() {
    const Reading wanted = Simulate(cpu_, network_.spec, samples_);
    const std::vector<std::vector<std::int64_t>> ways = {
        {}, RandomChunks(0), RandomChunks(1), RandomChunks(0), {}, {}};
    for (const std::vector<std::int64_t>& chunks :
         ways) {  // some twice: workspaces and graphs are used again
      const Reading got = Simulate(cuda_, network_.spec, samples_, chunks);
      ASSERT_EQ(got.sample_status.size(), samples_.size());
      for (std::size_t i = 0; i < samples_.size(); ++i) {
        EXPECT_EQ(got.sample_status[i].message(), wanted.sample_status[i].message());
        EXPECT_EQ(got.spikes[i], wanted.spikes[i]) << "sample " << i;
        EXPECT_TRUE(ReadingBytes(got, i) == ReadingBytes(wanted, i))
            << "sample " << i << " in " << chunks.size() << " chunks";
      }
    }
  }

  RandomNetwork network_;
  std::vector<Sample> samples_;
  Loaded cuda_, cpu_;
};

TEST_P(CudaParity, GivesTheBytesOfTheCpu) { ExpectSameBytes(); }

TEST_P(CudaParity, GivesTheBytesOfTheCpuInFastMode) {
  LoadIn(Mode::kFast);
  ExpectSameBytes();
  network_.spec.trajectories = true;
  ExpectSameBytes();
}

TEST_P(CudaParity, GivesTheBytesOfTheCpuInInt8Mode) {
  LoadIn(Mode::kInt8);
  ExpectSameBytes();
}

TEST_P(CudaParity, GivesTheTrajectoriesOfTheCpu) {
  network_.spec.trajectories = true;
  ExpectSameBytes();
}

TEST_P(CudaParity, GivesTheAnswersSoFar) {
  const auto inputs = InputsOf(samples_);
  auto cuda = NewSimulation(*cuda_.network, network_.spec, inputs);
  auto cpu = NewSimulation(*cpu_.network, network_.spec, inputs);
  ASSERT_TRUE(cuda.ok() && cpu.ok()) << cuda.status().message();
  for (const std::int64_t steps : RandomChunks(2)) {
    for (engine::Simulation* simulation : {cuda.value().get(), cpu.value().get()}) {
      ASSERT_TRUE(simulation->Advance(steps).ok());
    }
    const Result<Reading> got = cuda.value()->Read();
    const Result<Reading> wanted = cpu.value()->Read();
    ASSERT_TRUE(got.ok() && wanted.ok());
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      ASSERT_TRUE(ReadingBytes(got.value(), i) == ReadingBytes(wanted.value(), i))
          << "after " << got.value().steps_done;
    }
  }
}

// What a sample gives depends neither on its neighbours nor on the size that the batch is padded to.
TEST_P(CudaParity, SamplesAreIndependent) {
  const Reading all = Simulate(cuda_, network_.spec, samples_);
  for (const std::size_t i : {std::size_t{0}, std::size_t{3}}) {
    const Reading alone = Simulate(cuda_, network_.spec, {samples_[i]});
    EXPECT_TRUE(ReadingBytes(alone, 0) == ReadingBytes(all, i)) << "sample " << i;
  }
}

std::string NameOf(const ::testing::TestParamInfo<std::tuple<Place, int>>& info) {
  return (std::get<0>(info.param) == Place::kHost ? "HostLoops" : "Gpu") +
         std::to_string(std::get<1>(info.param));
}

INSTANTIATE_TEST_SUITE_P(HostLoops, CudaParity,
                         ::testing::Combine(::testing::Values(Place::kHost),
                                            ::testing::Range(1,
                                                             kNetworks + kImageNetworks + kRichNetworks + 1)),
                         NameOf);
#ifdef SPIKESERVE_CUDA  // skipped, with the reason, where there is no GPU
INSTANTIATE_TEST_SUITE_P(Gpu, CudaParity,
                         ::testing::Combine(::testing::Values(Place::kGpu),
                                            ::testing::Range(1,
                                                             kNetworks + kImageNetworks + kRichNetworks + 1)),
                         NameOf);
#endif

}  // namespace
}  // namespace spikeserve::testing
