// Scans whose current does not change against the steps of the CPU, by bytes: summed once, and counted in
// closed form where single steps have no reader.

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/cpu/fold.h"
#include "kernels/cpu/neurons.h"
#include "kernels/cuda/program.h"
#include "kernels/math/constant_charge.h"
#include "server/engine/cuda/layout/neurons.h"
#include "tests/support/cuda_devices.h"
#include "tests/support/random.h"

namespace spikeserve::testing {
namespace {

constexpr std::int64_t kSamples = 4;
constexpr std::int64_t kSize = 150;
constexpr auto kNeurons = static_cast<std::size_t>(kSamples * kSize);
const std::vector<std::int64_t> kChunks = {1, 40, 23};

// Sums of two terms that are held, and where the neurons start.
struct Drive {
  std::vector<float> sums[2], scale[2], offset, bias, start;  // [sample][neuron] or [neuron]
};

// Whole multiples of a quantum, so that many currents are exact and some not; some inhibit.
Drive MakeDrive(Random& random) {
  Drive drive;
  for (int t = 0; t < 2; ++t) {
    for (std::size_t i = 0; i < kNeurons; ++i) {
      drive.sums[t].push_back(static_cast<float>(random.Between(-300, 700)));
    }
    for (std::int64_t j = 0; j < kSize; ++j) {
      drive.scale[t].push_back(j % 3 == 0 ? static_cast<float>(random.Uniform(0, 0.01)) : 0x1p-9F);
    }
  }
  for (std::int64_t j = 0; j < kSize; ++j) {
    drive.offset.push_back(static_cast<float>(random.Between(-4, 4)) * 0x1p-4F);
    drive.bias.push_back(j % 10 == 0 ? 7.5F : (j % 10 == 1 ? -9.0F : static_cast<float>(j % 5) * 0x1p-3F));
    const double start = random.Uniform(0, 1);
    drive.start.push_back(j % 7 == 0 ? static_cast<float>(start)
                                     : static_cast<float>(std::floor(start * 1024) / 1024));
  }
  drive.start[3] = -0.25F;
  drive.start[4] = 1.0F;
  return drive;
}

struct CpuLayer {
  std::vector<float> voltage, mean;  // [sample][neuron]
  std::vector<std::int64_t> spikes;  // [sample][neuron]
  std::int32_t largest = 0;
};

struct Wish {
  bool rectified = false;  // the type that takes no negative charge
  bool counts = false;     // somebody reads single steps
  bool synapse = false;    // of the readout
  std::int64_t skip = 0;
};

math::spiking::Function NeuronOf(const Wish& wish) {
  if (wish.rectified) {
    return math::spiking::RectifiedLinear{};
  }
  return math::spiking::IntegrateAndFire{};
}

kernels::FoldFilters FiltersOf(const Wish& wish) { return {wish.synapse, 0.8187F, 0.1813F, false, 0, 1}; }

class ConstantScans : public DeviceTest {
 protected:
  static float Current(const Drive& drive, std::size_t sample, std::size_t j) {
    const std::size_t at = sample * kSize + j;
    const float first = drive.sums[0][at] * drive.scale[0][j];
    float second = drive.sums[1][at] * drive.scale[1][j];
    second = second + drive.offset[j];
    return (0.0F + first) + second;
  }

  static CpuLayer OnCpu(const Drive& drive, const Wish& wish) {
    CpuLayer layer;
    std::int64_t counted = -wish.skip;
    for (const std::int64_t steps : kChunks) {
      counted += steps;
    }
    for (std::size_t sample = 0; sample < kSamples; ++sample) {
      std::vector<float> voltage = drive.start;
      std::vector<float> sum(kSize);
      for (std::size_t j = 0; j < kSize; ++j) {
        sum[j] = Current(drive, sample, j);
      }
      std::vector<std::int32_t> counts(kSize);
      std::vector<std::int64_t> spikes(kSize);
      kernels::Fold fold(FiltersOf(wish), kSize);
      for (std::int64_t step = 0; step < counted + wish.skip; ++step) {
        const auto result =
            kernels::StepSpikes(NeuronOf(wish), sum, drive.bias, {.voltage = voltage}, {}, counts);
        layer.largest = std::max(layer.largest, result.largest);
        for (std::size_t j = 0; j < kSize; ++j) {
          spikes[j] += counts[j];
        }
        fold.Step(counts);
        if (step + 1 == wish.skip) {
          fold.MarkStart();
        }
      }
      std::vector<float> mean(kSize);
      fold.Mean(counted, mean);
      layer.mean.insert(layer.mean.end(), mean.begin(), mean.end());
      layer.voltage.insert(layer.voltage.end(), voltage.begin(), voltage.end());
      layer.spikes.insert(layer.spikes.end(), spikes.begin(), spikes.end());
    }
    return layer;
  }

  cuda::Scan MakeScan(const Drive& drive, const Wish& wish) {
    cuda::Scan scan;
    scan.samples = kSamples;
    scan.size = kSize;
    scan.emitter = engine::CudaEmitterOf({{}, NeuronOf(wish)});
    for (int t = 0; t < 2; ++t) {
      cuda::ScanTerm& term = scan.terms[scan.term_count++];
      term.high = Put(drive.sums[t]);
      term.channels = term.stride = kSize;
      term.held = true;
      term.scale = Put(drive.scale[t]);
    }
    scan.terms[1].offset = Put(drive.offset);
    scan.bias = Put(drive.bias);
    std::vector<float> starts;
    for (std::int64_t sample = 0; sample < kSamples; ++sample) {
      starts.insert(starts.end(), drive.start.begin(), drive.start.end());
    }
    scan.state.voltage = Put(starts);
    scan.failed = Put(std::vector<std::int32_t>(kSamples, cuda::kNotFailed));
    scan.largest = Put(std::vector<std::int32_t>(kSamples, 0));
    scan.sample_spikes = Put(std::vector<std::int64_t>(kSamples, 0));
    scan.neuron_spikes = Put(std::vector<std::int64_t>(kNeurons, 0));
    scan.folded = true;
    const kernels::FoldFilters filters = FiltersOf(wish);
    scan.fold.filters = {filters.synapse, filters.synapse_decay, filters.synapse_gain, false, 0, 1};
    scan.fold.skip = wish.skip;
    scan.fold.clock = clock_ = Put(std::vector<std::int64_t>(kSamples, 0));
    scan.fold.total = Put(std::vector<double>(kNeurons, 0.0));
    scan.fold.start = Put(std::vector<double>(kNeurons, 0.0));
    scan.fold.filtered = Put(std::vector<float>(kNeurons, 0.0F));
    scan.fold.last = Put(std::vector<float>(kNeurons, 0.0F));
    if (wish.counts) {
      scan.counts = Make<std::int32_t>(kNeurons * 64);
      scan.count_type = cuda::CellType::kInt32;
      scan.count_stride = kSize;
    }
    return scan;
  }

  void RunChunks(cuda::Scan scan) {
    for (const std::int64_t steps : kChunks) {
      scan.steps = steps;
      Run({scan, cuda::AdvanceClock{kSamples, clock_, steps}});
    }
  }

  void ExpectSame(const Wish& wish) {
    Random random(5);
    const Drive drive = MakeDrive(random);
    const CpuLayer wanted = OnCpu(drive, wish);
    const cuda::Scan scan = MakeScan(drive, wish);
    ASSERT_TRUE(cuda::IsConstant(scan));
    RunChunks(scan);
    EXPECT_TRUE(SameBytes(Get(scan.state.voltage, kNeurons), wanted.voltage));
    EXPECT_EQ(Get(scan.neuron_spikes, kNeurons), wanted.spikes);
    EXPECT_EQ(Get(scan.failed, kSamples), std::vector<std::int32_t>(kSamples, cuda::kNotFailed));
    const std::vector<std::int32_t> largest = Get(scan.largest, kSamples);
    EXPECT_EQ(*std::max_element(largest.begin(), largest.end()), wanted.largest);
    std::int64_t counted = -wish.skip;
    for (const std::int64_t steps : kChunks) {
      counted += steps;
    }
    auto* const mean = Make<float>(kNeurons);
    Run({cuda::FoldRead{kSamples, kSize, scan.fold, counted, mean}});
    EXPECT_TRUE(SameBytes(Get(mean, kNeurons), wanted.mean));
  }

 private:
  std::int64_t* clock_ = nullptr;
};

TEST_P(ConstantScans, AreTheStepsOfTheCpu) {
  for (const bool rectified : {true, false}) {
    for (const bool counts : {false, true}) {
      for (const bool synapse : {false, true}) {
        for (const std::int64_t skip : {0, 1, 17, 41, 63}) {
          SCOPED_TRACE(::testing::Message() << rectified << counts << synapse << " skip " << skip);
          ExpectSame({rectified, counts, synapse, skip});
        }
      }
    }
  }
}

// The drive above would say nothing if the closed form took none of its neurons, or all.
TEST_P(ConstantScans, MeetTheClosedFormAndTheLoop) {
  Random random(5);
  const Drive drive = MakeDrive(random);
  int exact = 0;
  for (std::size_t i = 0; i < kNeurons; ++i) {
    const std::size_t j = i % kSize;
    const float current = Current(drive, i / kSize, j) + drive.bias[j];
    exact += math::MakeConstantCharge(drive.start[j], current).exact ? 1 : 0;
  }
  EXPECT_GT(exact, 100);
  EXPECT_LT(exact, static_cast<int>(kNeurons) - 100);
}

// A count above the limit is noticed without stepping too, and nothing else is taken for one.
TEST_P(ConstantScans, NoticeCountsThatAreTooLarge) {
  for (const auto& [limit, exceeds] : std::vector<std::pair<std::int32_t, bool>>{{8, true}, {9, false}}) {
    Random random(5);
    Drive drive = MakeDrive(random);
    std::fill(drive.scale[0].begin(), drive.scale[0].end(), 0.0F);
    std::fill(drive.scale[1].begin(), drive.scale[1].end(), 0.0F);
    std::fill(drive.offset.begin(), drive.offset.end(), 0.0F);
    std::fill(drive.bias.begin(), drive.bias.end(), 8.5F);
    std::fill(drive.start.begin(), drive.start.end(), 0.0F);
    cuda::Scan scan = MakeScan(drive, {});
    scan.exceeded = Put(std::vector<std::int32_t>{0});
    scan.count_limit = limit;
    RunChunks(scan);
    EXPECT_EQ(Get(scan.exceeded, 1).front() != 0, exceeds) << limit;
  }
}

SPIKESERVE_ON_DEVICES(ConstantScans);

}  // namespace
}  // namespace spikeserve::testing
