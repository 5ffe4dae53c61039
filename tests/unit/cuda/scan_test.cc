// Scans, folds and probes against the CPU's steps, by bytes.

#include <gtest/gtest.h>

#include <vector>

#include "kernels/cpu/fold.h"
#include "kernels/cpu/neurons.h"
#include "kernels/cpu/population.h"
#include "kernels/cuda/program.h"
#include "server/engine/cuda/layout/neurons.h"
#include "server/engine/samples/probe_state.h"
#include "tests/support/cuda_devices.h"
#include "tests/support/random.h"

namespace spikeserve::testing {
namespace {

using cuda::CellType;
using engine::NeuronConstants;

constexpr std::int64_t kSamples = 3;
constexpr std::int64_t kSteps = 23;
constexpr std::int64_t kSize = 37;
constexpr auto kNeurons = static_cast<std::size_t>(kSamples * kSize);
constexpr auto kEmissions = static_cast<std::size_t>(kSamples * kSteps * kSize);
const math::spiking::Lif kLif = {0.05F, 20.0F, 2.0F, 0.0F};

// What a layer of the CPU gives for sums of its terms.
struct CpuLayer {
  std::vector<float> emissions, voltage;  // [sample][step][neuron], [sample][neuron] at the end
  std::vector<std::int64_t> spikes;       // [sample]
  std::int32_t largest = 0;
};

struct TermData {
  std::vector<float> sums;           // [sample][step][neuron]
  std::vector<float> scale, offset;  // offset may be empty
  bool filtered = false;
  float decay = 0;
};

class Scans : public DeviceTest {
 protected:
  static std::vector<TermData> RandomTerms(std::int64_t count, Random& random) {
    std::vector<TermData> terms;
    for (std::int64_t t = 0; t < count; ++t) {
      TermData term{random.Floats(static_cast<std::int64_t>(kEmissions), -400, 900),
                    random.Floats(kSize, 0.0005, 0.003),
                    {},
                    random.Chance(0.5),
                    0.8F};
      if (random.Chance(0.5)) {
        term.offset = random.Floats(kSize, -0.2, 0.2);
      }
      terms.push_back(std::move(term));
    }
    return terms;
  }

  static CpuLayer OnCpu(const NeuronConstants& neurons, const std::vector<TermData>& terms,
                        const std::vector<float>& bias, const std::vector<float>& start) {
    CpuLayer layer;
    std::vector<float> total(kSize), current(kSize), values(kSize), refractory(kSize);
    std::vector<std::int32_t> counts(kSize);
    for (std::int64_t sample = 0; sample < kSamples; ++sample) {
      std::vector<float> voltage = start;
      std::vector<std::vector<float>> filters(terms.size(), std::vector<float>(kSize, 0.0F));
      std::fill(refractory.begin(), refractory.end(), 0.0F);
      std::int64_t spikes = 0;
      for (std::int64_t step = 0; step < kSteps; ++step) {
        std::fill(total.begin(), total.end(), 0.0F);
        for (std::size_t t = 0; t < terms.size(); ++t) {
          const auto first = static_cast<std::size_t>((sample * kSteps + step) * kSize);
          kernels::Scale(std::span(terms[t].sums).subspan(first, kSize), terms[t].scale, current);
          if (!terms[t].offset.empty()) {
            kernels::Add(terms[t].offset, current);
          }
          if (terms[t].filtered) {
            kernels::AddFiltered(current, terms[t].decay, filters[t], total);
          } else {
            kernels::Add(current, total);
          }
        }
        kernels::StepResult result;
        const kernels::NeuronStates states{.voltage = voltage, .refractory = refractory};
        if (neurons.spikes) {
          result = kernels::StepSpikes(*neurons.spikes, total, bias, states, {}, counts);
        } else {
          kernels::StepRates(*neurons.rate, total, bias, states, values);
        }
        EXPECT_TRUE(result.in_range);
        layer.largest = std::max(layer.largest, result.largest);
        spikes += result.spikes;
        if (neurons.spikes) {
          layer.emissions.insert(layer.emissions.end(), counts.begin(), counts.end());
        } else {
          layer.emissions.insert(layer.emissions.end(), values.begin(), values.end());
        }
      }
      layer.spikes.push_back(spikes);
      layer.voltage.insert(layer.voltage.end(), voltage.begin(), voltage.end());
    }
    return layer;
  }

  cuda::ScanTerm PutTerm(const TermData& data) {
    cuda::ScanTerm term;
    term.high = Put(data.sums);
    term.channels = term.stride = kSize;
    term.scale = Put(data.scale);
    term.offset = data.offset.empty() ? nullptr : Put(data.offset);
    term.filtered = data.filtered;
    term.decay = data.decay;
    term.filter = Put(std::vector<float>(kNeurons, 0.0F));
    return term;
  }

  // Runs the scan in one chunk of kSteps and compares everything it leaves behind.
  void ExpectSame(const NeuronConstants& neurons, std::int64_t term_count, bool wide, std::uint64_t seed) {
    Random random(seed);
    const std::vector<TermData> terms = RandomTerms(term_count, random);
    const std::vector<float> bias = random.Floats(kSize, -0.3, 0.5);
    const std::vector<float> start = random.Floats(kSize, 0, 1);
    const CpuLayer wanted = OnCpu(neurons, terms, bias, start);
    cuda::Scan scan;
    scan.samples = kSamples;
    scan.steps = kSteps;
    scan.size = kSize;
    scan.emitter = engine::CudaEmitterOf(neurons);
    for (const TermData& term : terms) {
      scan.terms[scan.term_count++] = PutTerm(term);
    }
    scan.bias = Put(bias);
    scan.failed = Put(std::vector<std::int32_t>(kSamples, cuda::kNotFailed));
    if (!neurons.spikes) {
      scan.values = Make<float>(kEmissions);
      Run({scan});
      EXPECT_TRUE(SameBytes(Get(scan.values, kEmissions), wanted.emissions));
      return;
    }
    ExpectSpikes(scan, start, wide, wanted);
  }

 private:
  void ExpectSpikes(cuda::Scan& scan, const std::vector<float>& start, bool wide, const CpuLayer& wanted) {
    constexpr std::int64_t kStride = 40;
    std::vector<float> starts;
    for (std::int64_t sample = 0; sample < kSamples; ++sample) {
      starts.insert(starts.end(), start.begin(), start.end());
    }
    scan.state.voltage = Put(starts);
    const bool lif = std::holds_alternative<math::spiking::Lif>(scan.emitter);
    scan.state.refractory = lif ? Put(std::vector<float>(kNeurons, 0.0F)) : nullptr;
    scan.count_type = wide ? CellType::kInt32 : CellType::kHalf;
    scan.count_stride = kStride;
    auto* const counts = Make<std::int32_t>(static_cast<std::size_t>(kSamples * kSteps * kStride));
    scan.counts = counts;
    scan.sample_spikes = Put(std::vector<std::int64_t>(kSamples, 0));
    scan.neuron_spikes = Put(std::vector<std::int64_t>(kNeurons, 0));
    scan.voltages = Make<float>(kEmissions);
    scan.largest = wide ? Put(std::vector<std::int32_t>(kSamples, 0)) : nullptr;
    scan.exceeded = wide ? nullptr : Put(std::vector<std::int32_t>{0});
    scan.count_limit = wanted.largest;
    Run({scan});
    std::vector<float> got;
    const std::vector<std::int32_t> raw = Get(counts, static_cast<std::size_t>(kSamples * kSteps * kStride));
    for (std::int64_t row = 0; row < kSamples * kSteps; ++row) {
      for (std::int64_t j = 0; j < kSize; ++j) {
        const cuda::Cells cells{raw.data(), scan.count_type, kStride};
        got.push_back(static_cast<float>(cuda::LoadCount(cells, row * kStride + j)));
      }
    }
    EXPECT_TRUE(SameBytes(got, wanted.emissions));
    EXPECT_TRUE(SameBytes(Get(scan.state.voltage, kNeurons), wanted.voltage));
    EXPECT_EQ(Get(scan.sample_spikes, kSamples), wanted.spikes);
    if (wide) {
      const std::vector<std::int32_t> largest = Get(scan.largest, kSamples);
      EXPECT_EQ(*std::max_element(largest.begin(), largest.end()), wanted.largest);
    } else {
      EXPECT_EQ(Get(scan.exceeded, 1).front(), 0);
      scan.count_limit = wanted.largest - 1;
      Run({scan});  // from where the first run ended; emits about as much
    }
    EXPECT_EQ(Get(scan.failed, kSamples), std::vector<std::int32_t>(kSamples, cuda::kNotFailed));
  }
};

TEST_P(Scans, OfSpikesAreThoseOfTheCpu) {
  for (const math::spiking::Function& neuron : std::vector<math::spiking::Function>{
           math::spiking::RectifiedLinear{}, math::spiking::IntegrateAndFire{}, kLif}) {
    for (std::int64_t terms = 0; terms <= cuda::kScanTerms; ++terms) {
      SCOPED_TRACE(::testing::Message() << "type " << neuron.index() << ", terms " << terms);
      ExpectSame({{}, neuron}, terms, false, static_cast<std::uint64_t>(terms) + 1);
      ExpectSame({{}, neuron}, terms, true, static_cast<std::uint64_t>(terms) + 100);
    }
  }
}

TEST_P(Scans, OfRatesAreThoseOfTheCpu) {
  for (std::int64_t terms = 0; terms <= cuda::kScanTerms; ++terms) {
    ExpectSame({math::rate::RectifiedLinear{1.5F}, {}}, terms, false, static_cast<std::uint64_t>(terms));
  }
}

// One neuron whose current is `current` at every step.
cuda::Scan OneNeuron(const float* current, const float* scale, float* voltage) {
  cuda::Scan scan;
  scan.samples = scan.steps = scan.size = 1;
  scan.emitter = math::spiking::IntegrateAndFire{};
  scan.layer = 5;
  scan.terms[0].high = current;
  scan.terms[0].stride = 1;
  scan.terms[0].scale = scale;
  scan.term_count = 1;
  scan.state.voltage = voltage;
  return scan;
}

TEST_P(Scans, ReportCountsThatAreTooLarge) {
  const auto* one = Put(std::vector<float>{1.0F});
  const std::vector<std::pair<float, bool>> cases = {{7.0F, false}, {8.0F, true}, {INFINITY, true}};
  for (const auto& [current, too_large] : cases) {
    cuda::Scan scan = OneNeuron(Put(std::vector<float>{current}), one, Put(std::vector<float>{0.0F}));
    scan.count_limit = 7;
    scan.exceeded = Put(std::vector<std::int32_t>{0});
    Run({scan});
    EXPECT_EQ(Get(scan.exceeded, 1).front() != 0, too_large) << current;
  }
}

TEST_P(Scans, FailASampleWhoseCountsLeaveTheRange) {
  const auto* one = Put(std::vector<float>{1.0F});
  const std::vector<std::pair<float, bool>> cases = {
      {16777215.0F, false}, {16777216.0F, true}, {INFINITY, true}};
  for (const auto& [current, fails] : cases) {
    cuda::Scan scan = OneNeuron(Put(std::vector<float>{current}), one, Put(std::vector<float>{0.0F}));
    scan.failed = Put(std::vector<std::int32_t>{cuda::kNotFailed});
    Run({scan, scan});
    EXPECT_EQ(Get(scan.failed, 1).front(), fails ? 6 : cuda::kNotFailed) << current;
  }
}

TEST_P(Scans, FailASampleWhoseSourceIsTooBusy) {
  const auto* one = Put(std::vector<float>{1.0F});
  for (const std::int32_t largest : {9, 10}) {
    cuda::Scan scan = OneNeuron(one, one, Put(std::vector<float>{0.0F}));
    scan.failed = Put(std::vector<std::int32_t>{cuda::kNotFailed});
    scan.terms[0].largest = Put(std::vector<std::int32_t>{largest});
    scan.terms[0].fail_above = 9;
    Run({scan});
    EXPECT_EQ(Get(scan.failed, 1).front(), largest > 9 ? 6 : cuda::kNotFailed);
  }
}

class Folds : public DeviceTest {
 protected:
  void ExpectSame(const kernels::FoldFilters& filters, std::int64_t skip) {
    Random random(7);
    std::vector<std::int32_t> counts;
    for (std::size_t i = 0; i < kEmissions; ++i) {
      counts.push_back(static_cast<std::int32_t>(random.Between(0, 3)));
    }
    cuda::FoldState state;
    state.filters = {filters.synapse,       filters.synapse_decay, filters.synapse_gain,
                     filters.probe_synapse, filters.probe_decay,   filters.probe_gain};
    state.skip = skip;
    auto* const clock = Put(std::vector<std::int64_t>(kSamples, 0));
    state.clock = clock;
    state.total = Put(std::vector<double>(kNeurons, 0.0));
    state.start = Put(std::vector<double>(kNeurons, 0.0));
    state.filtered = Put(std::vector<float>(kNeurons, 0.0F));
    state.probed = Put(std::vector<float>(kNeurons, 0.0F));
    state.last = Put(std::vector<float>(kNeurons, 0.0F));
    auto* const mean = Make<float>(kNeurons);
    auto* const last = Make<float>(kNeurons);
    const cuda::Fold fold{kSamples, kSteps, kSize, {Put(counts), CellType::kInt32, kSize}, false, state};
    const std::int64_t counted = 2 * kSteps - skip;  // the same chunk twice
    Run({fold, cuda::AdvanceClock{kSamples, clock, kSteps}, fold,
         cuda::FoldRead{kSamples, kSize, state, counted, mean},
         cuda::FoldRead{kSamples, kSize, state, 0, last}});
    const std::vector<float> got_mean = Get(mean, kNeurons);
    const std::vector<float> got_last = Get(last, kNeurons);
    for (std::size_t sample = 0; sample < kSamples; ++sample) {
      kernels::Fold cpu(filters, kSize);
      for (std::int64_t step = 0; step < 2 * kSteps; ++step) {
        const std::size_t row = sample * kSteps + static_cast<std::size_t>(step % kSteps);
        cpu.Step(std::span<const std::int32_t>(counts).subspan(row * kSize, kSize));
        if (step + 1 == skip) {
          cpu.MarkStart();
        }
      }
      std::vector<float> wanted(kSize);
      cpu.Mean(counted, wanted);
      const auto begin = static_cast<std::ptrdiff_t>(sample * kSize);
      EXPECT_TRUE(
          SameBytes(std::vector<float>(got_mean.begin() + begin, got_mean.begin() + begin + kSize), wanted));
      cpu.Last(wanted);
      EXPECT_TRUE(
          SameBytes(std::vector<float>(got_last.begin() + begin, got_last.begin() + begin + kSize), wanted));
    }
  }
};

TEST_P(Folds, AreThoseOfTheCpu) {
  for (const bool synapse : {false, true}) {
    for (const bool probe_synapse : {false, true}) {
      for (const std::int64_t skip : {0, 1, 23, 30}) {
        SCOPED_TRACE(::testing::Message() << synapse << probe_synapse << " skip " << skip);
        ExpectSame({synapse, 0.8187F, 0.1813F, probe_synapse, 0.9048F, 0.0952F}, skip);
      }
    }
  }
}

class Probes : public DeviceTest {};

TEST_P(Probes, GatherWhatProbeStateGathers) {
  Random random(3);
  const std::vector<float> values = random.Floats(static_cast<std::int64_t>(kEmissions), -1, 1);
  for (const bool filtered : {false, true}) {
    cuda::Probe probe;
    probe.samples = kSamples;
    probe.steps = kSteps;
    probe.size = kSize;
    probe.source = {Put(values), CellType::kFloat, kSize};
    probe.skip = 5;
    probe.clock = Put(std::vector<std::int64_t>(kSamples, 0));
    probe.filtered = filtered;
    probe.decay = static_cast<float>(0.9);
    probe.gain = static_cast<float>(1 - 0.9);
    probe.filter = Put(std::vector<float>(kNeurons, 0.0F));
    probe.last = Put(std::vector<float>(kNeurons, 0.0F));
    probe.sum = Put(std::vector<double>(kNeurons, 0.0));
    probe.trajectory = Make<float>(kEmissions);
    Run({probe});
    const std::vector<double> sums = Get(probe.sum, kNeurons);
    const std::vector<float> trajectory = Get(probe.trajectory, kEmissions);
    for (std::size_t sample = 0; sample < kSamples; ++sample) {
      engine::ProbeState wanted({{engine::ReadoutKind::kMean, 5}, true, kSteps, filtered, 0.9}, kSize);
      for (std::size_t step = 0; step < kSteps; ++step) {
        wanted.Step(std::span<const float>(values).subspan((sample * kSteps + step) * kSize, kSize));
      }
      std::vector<double> mean(kSize);
      wanted.Read(mean);
      for (std::size_t j = 0; j < kSize; ++j) {
        EXPECT_EQ(sums[sample * kSize + j] / static_cast<double>(kSteps - 5), mean[j]);
        EXPECT_EQ(trajectory[(sample * kSteps + 22) * kSize + j], wanted.trajectory()[22 * kSize + j]);
      }
    }
  }
}

SPIKESERVE_ON_DEVICES(Scans);
SPIKESERVE_ON_DEVICES(Folds);
SPIKESERVE_ON_DEVICES(Probes);

}  // namespace
}  // namespace spikeserve::testing
