#pragma once

#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "tests/support/cuda_backends.h"
#include "tests/support/random_network.h"

// A random network on the CUDA backend and, for comparison, on the plain loops of the CPU.
namespace spikeserve::testing {

// The GPU, or the host in its place with each order in which it may do what no mark forbids.
enum class CudaPlace { kGpu, kAtOnce, kLate, kCopiesFirst, kWorkFirst };

inline std::string NameOf(CudaPlace place) {
  static const std::vector<std::string> kNames = {"Gpu", "AtOnce", "Late", "CopiesFirst", "WorkFirst"};
  return kNames[static_cast<std::size_t>(place)];
}

inline std::unique_ptr<engine::Backend> MakeCudaAt(CudaPlace place, std::string& why_not) {
  switch (place) {
    case CudaPlace::kGpu: return MakeGpu(why_not);
    case CudaPlace::kAtOnce: break;
    case CudaPlace::kLate: return MakeHostTwin(SmallLimits(), cuda::HostOrder::kLate);
    case CudaPlace::kCopiesFirst: return MakeHostTwin(SmallLimits(), cuda::HostOrder::kCopiesFirst);
    case CudaPlace::kWorkFirst: return MakeHostTwin(SmallLimits(), cuda::HostOrder::kWorkFirst);
  }
  return MakeHostTwin();
}

// With (place, number of a rich random network) as parameters.
class CudaPair : public ::testing::TestWithParam<std::tuple<CudaPlace, int>> {
 protected:
  static std::uint64_t Seed() { return static_cast<std::uint64_t>(std::get<1>(GetParam())); }

  CudaPair() : network_(Seed() % 2 == 0 ? MakeRichNetwork(Seed()) : MakeRandomNetwork(Seed())) {}

  void SetUp() override {
    std::string why_not;
    cuda_.backend = MakeCudaAt(std::get<0>(GetParam()), why_not);
    if (cuda_.backend == nullptr) {
      GTEST_SKIP() << why_not;
    }
    cpu_.backend = MakeCpu(engine::CpuPath::kPlain);
    for (Loaded* loaded : {&cuda_, &cpu_}) {
      loaded->network = LoadOn(*loaded->backend, network_.definition, engine::Mode::kExact);
    }
  }

  RandomNetwork network_;
  Loaded cuda_, cpu_;
};

inline std::string CudaPairName(const ::testing::TestParamInfo<std::tuple<CudaPlace, int>>& info) {
  return NameOf(std::get<0>(info.param)) + std::to_string(std::get<1>(info.param));
}

// The suite on the host for networks 1..COUNT, and on the GPU in builds that have kernels for one.
#define SPIKESERVE_CUDA_PAIRS_ON_HOST(Suite, COUNT)                                                       \
  INSTANTIATE_TEST_SUITE_P(                                                                               \
      Host, Suite,                                                                                        \
      ::testing::Combine(::testing::Values(CudaPlace::kAtOnce, CudaPlace::kLate, CudaPlace::kCopiesFirst, \
                                           CudaPlace::kWorkFirst),                                        \
                         ::testing::Range(1, (COUNT) + 1)),                                               \
      CudaPairName)
#ifdef SPIKESERVE_CUDA  // skipped, with the reason, where there is no GPU
#define SPIKESERVE_CUDA_PAIRS(Suite, COUNT)                                                                 \
  SPIKESERVE_CUDA_PAIRS_ON_HOST(Suite, COUNT);                                                              \
  INSTANTIATE_TEST_SUITE_P(                                                                                 \
      Gpu, Suite, ::testing::Combine(::testing::Values(CudaPlace::kGpu), ::testing::Range(1, (COUNT) + 1)), \
      CudaPairName)
#else
#define SPIKESERVE_CUDA_PAIRS(Suite, COUNT) SPIKESERVE_CUDA_PAIRS_ON_HOST(Suite, COUNT)
#endif

inline void AppendShare(const std::vector<double>& values, std::size_t samples, std::size_t sample,
                        std::string& bytes) {
  const std::size_t share = values.size() / samples;
  bytes.append(reinterpret_cast<const char*>(values.data() + sample * share), share * sizeof(double));
}

// All that a reading says about one sample. Unlike ReadingBytes, records and steps too, and trajectories of
// any number of steps.
inline std::string WholeBytes(const engine::Reading& reading, std::size_t sample) {
  const std::size_t samples = reading.sample_status.size();
  std::string bytes;
  for (const engine::ProbeReading& probe : reading.probes) {
    AppendShare(probe.values, samples, sample, bytes);
    AppendShare(probe.trajectory, samples, sample, bytes);
  }
  for (const engine::ProbeRecord& record : reading.records) {
    bytes += std::to_string(record.rows) + "x" + std::to_string(record.size) + ":";
    AppendShare(record.values, samples, sample, bytes);
  }
  std::vector<std::int64_t> numbers = {reading.steps_done, reading.spikes.at(sample)};
  if (!reading.steps_used.empty()) {
    numbers.push_back(reading.steps_used.at(sample));
  }
  if (!reading.statistics.empty()) {
    for (const engine::LayerActivity& activity : reading.statistics.at(sample)) {
      numbers.insert(numbers.end(), {activity.spikes, activity.busiest_neuron_spikes, activity.silent_neurons,
                                     activity.synaptic_operations});
    }
  }
  for (const std::int64_t number : numbers) {
    bytes += std::to_string(number) + ",";
  }
  return bytes;
}

// Samples that left their range say so alike; the others are equal in every byte.
inline void ExpectSame(const engine::Reading& got, const engine::Reading& wanted) {
  ASSERT_EQ(got.sample_status.size(), wanted.sample_status.size());
  for (std::size_t i = 0; i < wanted.sample_status.size(); ++i) {
    EXPECT_EQ(got.sample_status[i].message(), wanted.sample_status[i].message());
    if (wanted.sample_status[i].ok()) {
      EXPECT_TRUE(WholeBytes(got, i) == WholeBytes(wanted, i))
          << "sample " << i << " after " << wanted.steps_done;
    }
  }
}

}  // namespace spikeserve::testing
