// Every neuron type of the scan against the CPU's step of a layer, by bytes and in chunks.

#include "kernels/cpu/neurons.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/cuda/program.h"
#include "server/engine/cuda/layout/neurons.h"
#include "server/engine/network/neuron_models.h"
#include "tests/support/cuda_devices.h"
#include "tests/support/every_kind.h"
#include "tests/support/random.h"

namespace spikeserve::testing {
namespace {

using engine::NeuronModel;
using engine::SimulationSpec;

constexpr std::int64_t kSamples = 3;
constexpr std::int64_t kSize = 37;
constexpr std::int64_t kSteps = 120;
constexpr std::int64_t kOperation = 5;
constexpr auto kNeurons = static_cast<std::size_t>(kSamples * kSize);
constexpr auto kEmissions = static_cast<std::size_t>(kSamples * kSteps * kSize);
const std::vector<std::uint32_t> kPlaces = {4, 0, 17};  // of the samples in their request

SimulationSpec Spec() {
  SimulationSpec spec;
  spec.settings.seed = 0x123456789abcdefU;
  return spec;
}

// What a layer of the CPU gives for its currents.
struct CpuLayer {
  std::vector<float> emissions, voltages;     // [sample][step][neuron]
  math::PerState<std::vector<float>> states;  // [sample][neuron] at the end
  std::vector<std::int64_t> spikes;           // [sample]
};

CpuLayer OnCpu(const BusyModel& busy, const std::vector<float>& currents, const std::vector<float>& bias,
               const std::vector<float>& start) {
  const engine::NeuronConstants constants = engine::MakeNeuronConstants(busy.model, 0.001);
  CpuLayer layer;
  for (std::int64_t sample = 0; sample < kSamples; ++sample) {
    math::PerState<std::vector<float>> kept;
    kernels::NeuronStates states;
    math::ForEachState([](bool has, std::vector<float>& values) { values.resize(has ? kSize : 0); },
                       engine::StatesOf(busy.model), kept);
    kept.voltage = engine::HasVoltage(busy.model) ? start : std::vector<float>();
    math::ForEachState([](std::span<float>& to, std::vector<float>& from) { to = from; }, states, kept);
    std::vector<float> values(kSize);
    std::vector<std::int32_t> counts(kSize);
    std::int64_t spikes = 0;
    for (std::int64_t step = 0; step < kSteps; ++step) {
      const auto sum =
          std::span(currents).subspan(static_cast<std::size_t>((sample * kSteps + step) * kSize), kSize);
      kernels::StepResult result;
      if (constants.rate) {
        kernels::StepRates(*constants.rate, sum, bias, states, values);
      }
      if (constants.spikes) {
        const auto draws =
            engine::DrawsOf(Spec(), kPlaces[static_cast<std::size_t>(sample)], kOperation, step);
        const std::span<const float> input = constants.rate ? std::span<const float>(values) : sum;
        result = kernels::StepSpikes(*constants.spikes, input, bias, states, draws, counts);
      }
      EXPECT_TRUE(result.in_range);
      if (engine::IsSpiking(busy.model)) {
        values.assign(counts.begin(), counts.end());
        for (const std::int32_t count : counts) {
          spikes += constants.is_signed ? std::abs(count) : count;
        }
      }
      layer.emissions.insert(layer.emissions.end(), values.begin(), values.end());
      layer.voltages.insert(layer.voltages.end(), kept.voltage.begin(), kept.voltage.end());
    }
    layer.spikes.push_back(spikes);
    math::ForEachState([](std::vector<float>& to,
                          const std::vector<float>& from) { to.insert(to.end(), from.begin(), from.end()); },
                       layer.states, kept);
  }
  return layer;
}

class Neurons : public DeviceTest {
 protected:
  static std::vector<float> Chunk(const std::vector<float>& all, std::int64_t from, std::int64_t steps) {
    std::vector<float> chunk;
    for (std::int64_t sample = 0; sample < kSamples; ++sample) {
      const auto first = all.begin() + (sample * kSteps + from) * kSize;
      chunk.insert(chunk.end(), first, first + steps * kSize);
    }
    return chunk;
  }

  // The scan without what a chunk brings along.
  cuda::Scan MakeScan(const BusyModel& busy, const std::vector<float>& bias,
                      const std::vector<float>& start) {
    spiking_ = engine::IsSpiking(busy.model);
    cuda::Scan scan;
    scan.samples = kSamples;
    scan.size = kSize;
    scan.emitter = engine::CudaEmitterOf(engine::MakeNeuronConstants(busy.model, 0.001));
    scan.draws_layer = kOperation;
    scan.bias = Put(bias);
    std::vector<float> starts;
    for (std::int64_t sample = 0; sample < kSamples; ++sample) {
      starts.insert(starts.end(), start.begin(), start.end());
    }
    math::ForEachState(
        [this](bool kept, float*& state) { state = kept ? Put(std::vector<float>(kNeurons, 0)) : nullptr; },
        engine::StatesOf(busy.model), scan.state);
    scan.state.voltage = engine::HasVoltage(busy.model) ? Put(starts) : nullptr;
    scan.clock = clock_ = Put(std::vector<std::int64_t>(kSamples, 0));
    scan.sample_index = Put(kPlaces);
    scan.seed = Put(std::vector<std::uint64_t>{*Spec().settings.seed});
    scan.failed = Put(std::vector<std::int32_t>(kSamples, cuda::kNotFailed));
    scan.sample_spikes = Put(std::vector<std::int64_t>(kSamples, 0));
    scan.neuron_spikes = Put(std::vector<std::int64_t>(kNeurons, 0));
    scan.term_count = 1;
    scan.terms[0].channels = scan.terms[0].stride = kSize;
    return scan;
  }

  std::vector<float> RunChunk(cuda::Scan& scan, const std::vector<float>& currents, std::int64_t steps) {
    const auto count = static_cast<std::size_t>(kSamples * steps * kSize);
    scan.steps = steps;
    scan.terms[0].high = Put(currents);
    scan.voltages = scan.state.voltage == nullptr ? nullptr : Make<float>(count);
    std::vector<float> emissions;
    if (!spiking_) {
      scan.values = Make<float>(count);
      Run({scan, cuda::AdvanceClock{kSamples, clock_, steps}});
      return Get(scan.values, count);
    }
    auto* const counts = Make<std::int32_t>(count);
    scan.counts = counts;
    scan.count_type = cuda::CellType::kInt32;
    scan.count_stride = kSize;
    Run({scan, cuda::AdvanceClock{kSamples, clock_, steps}});
    for (const std::int32_t emitted : Get(counts, count)) {
      emissions.push_back(static_cast<float>(emitted));
    }
    return emissions;
  }

  void ExpectSame(const BusyModel& busy) {
    Random random(11);
    const std::vector<float> currents =
        random.Floats(static_cast<std::int64_t>(kEmissions), -0.7 * busy.current * Unit(busy),
                      1.3 * busy.current * Unit(busy));
    const std::vector<float> bias =
        random.Floats(kSize, -0.1 * busy.current * Unit(busy), 0.3 * busy.current * Unit(busy));
    const std::vector<float> start = random.Floats(kSize, 0, 1);
    const CpuLayer wanted = OnCpu(busy, currents, bias, start);
    cuda::Scan scan = MakeScan(busy, bias, start);
    std::int64_t done = 0;
    bool any = false;
    for (const std::int64_t steps : {std::int64_t{1}, std::int64_t{50}, kSteps - 51}) {
      const std::vector<float> got = RunChunk(scan, Chunk(currents, done, steps), steps);
      EXPECT_TRUE(SameBytes(got, Chunk(wanted.emissions, done, steps))) << "steps from " << done;
      if (scan.voltages != nullptr) {
        EXPECT_TRUE(SameBytes(Get(scan.voltages, got.size()), Chunk(wanted.voltages, done, steps)));
      }
      for (const float emitted : got) {
        any = any || emitted != 0.0F;
      }
      done += steps;
    }
    EXPECT_TRUE(any) << "never emitted anything";
    math::ForEachState(
        [this](const float* got, const std::vector<float>& state) {
          if (got != nullptr) {
            EXPECT_TRUE(SameBytes(Get(got, kNeurons), state));
          }
        },
        scan.state, wanted.states);
    if (spiking_) {
      EXPECT_EQ(Get(scan.sample_spikes, kSamples), wanted.spikes);
    }
    EXPECT_EQ(Get(scan.failed, kSamples), std::vector<std::int32_t>(kSamples, cuda::kNotFailed));
  }

 private:
  static double Unit(const BusyModel& busy) { return engine::CurrentUnit(busy.model, 0.001); }

  std::int64_t* clock_ = nullptr;
  bool spiking_ = false;
};

TEST_P(Neurons, OfEveryTypeAreThoseOfTheCpu) {
  const std::vector<BusyModel> models = EveryModel();
  for (std::size_t i = 0; i < models.size(); ++i) {
    SCOPED_TRACE(::testing::Message() << "model " << i);
    ExpectSame(models[i]);
  }
}

// No alternative of the variant is left out above.
TEST(NeuronTable, HasEveryModel) {
  std::vector<bool> seen(std::variant_size_v<NeuronModel>, false);
  seen[NeuronModel(engine::MemoryRectifiedLinear{}).index()] = true;  // the CPU runs these
  seen[NeuronModel(engine::MemoryFunction{}).index()] = true;
  for (const BusyModel& busy : EveryModel()) {
    seen[busy.model.index()] = true;
  }
  for (std::size_t i = 1; i < seen.size(); ++i) {  // 0: no model
    EXPECT_TRUE(seen[i]) << i;
  }
}

SPIKESERVE_ON_DEVICES(Neurons);

}  // namespace
}  // namespace spikeserve::testing
