// Neurons with memory against integers of their own: rows cut by the rule of docs/semantics.md, steps taken
// one by one in int64.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/cpu/target.h"
#include "tests/support/definitions.h"
#include "tests/support/random.h"
#include "tests/support/run.h"

namespace spikeserve::engine {
namespace {

using ::spikeserve::testing::Bytes;
using ::spikeserve::testing::Load;
using ::spikeserve::testing::Random;
using ::spikeserve::testing::Sample;
using ::spikeserve::testing::Simulate;
using ::spikeserve::testing::Tensor;

constexpr std::int64_t kIn = 21, kFirst = 37, kSecond = 18, kOut = 3;
constexpr double kDt = 0.001, kByteScale = 1.0 / 255;

struct Integers {
  std::vector<std::vector<std::int64_t>> rows;
  std::vector<std::int64_t> bias;
  std::vector<int> shift;
};

// What a count of the source is worth to neuron j: weight * unit * gain spikes.
Integers Cut(const std::vector<float>& weights, const std::vector<float>& bias, double unit, double gain,
             std::int64_t sources) {
  Integers integers;
  for (std::size_t j = 0; j < bias.size(); ++j) {
    std::vector<double> real;
    double largest = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(sources); ++i) {
      real.push_back(static_cast<double>(weights[j * static_cast<std::size_t>(sources) + i]) * (gain * unit));
      largest = std::max(largest, std::abs(real.back()));
    }
    int shift = std::min(20 - static_cast<int>(std::floor(std::log2(largest))), 40);
    if (std::nearbyint(largest * std::pow(2.0, shift)) > (1 << 21) - 1) {
      --shift;
    }
    std::vector<std::int64_t>& row = integers.rows.emplace_back();
    for (const double value : real) {
      row.push_back(std::llrint(value * std::pow(2.0, shift)));
    }
    integers.shift.push_back(shift);
    integers.bias.push_back(std::llrint(gain * static_cast<double>(bias[j]) * kDt * std::pow(2.0, shift)));
  }
  return integers;
}

// A layer, step by step.
class Layer {
 public:
  explicit Layer(Integers integers)
      : integers_(std::move(integers)), received_(integers_.bias.size()), sent_(integers_.bias.size()) {}

  // What the neurons send at a step, of what comes in.
  std::vector<std::int64_t> Step(const std::vector<std::int64_t>& counts) {
    ++steps_;
    std::vector<std::int64_t> sends;
    for (std::size_t j = 0; j < sent_.size(); ++j) {
      for (std::size_t i = 0; i < counts.size(); ++i) {
        received_[j] += integers_.rows[j][i] * counts[i];
      }
      const std::int64_t half = std::int64_t{1} << (integers_.shift[j] - 1);
      const std::int64_t z = received_[j] + steps_ * integers_.bias[j];
      const std::int64_t sent = std::max<std::int64_t>((z + half) >> integers_.shift[j], 0);
      sends.push_back(sent - sent_[j]);
      sent_[j] = sent;
    }
    return sends;
  }
  const std::vector<std::int64_t>& sent() const { return sent_; }

 private:
  Integers integers_;
  std::int64_t steps_ = 0;
  std::vector<std::int64_t> received_, sent_;
};

class MemoryTest : public ::testing::Test {
 protected:
  ~MemoryTest() override { kernels::ForceCpuTarget(""); }

  // Bytes -> 37 neurons -> 18 neurons -> 3 outputs.
  NetworkDefinition Definition() const {
    const auto neurons = [](double amplitude, double gain) {
      return NeuronOperation{
          MemoryRectifiedLinear{amplitude, std::nullopt, 0}, gain, {}, ConstantVoltage{0.5}};
    };
    NetworkDefinition network;
    network.format_version = 1;
    network.operations = {{"input", InputOperation{{kIn}, kByteScale, {}}},
                          {"first", AffineOperation{"w0", "b0"}},
                          {"a", neurons(kAmplitude, kGain)},
                          {"second", AffineOperation{"w1", "b1"}},
                          {"b", neurons(1, kGain)},
                          {"output", AffineOperation{"w2", ""}}};
    network.connections = {{"input", "first", {}},
                           {"first", "a", {}},
                           {"a", "second", {}},
                           {"second", "b", {}},
                           {"b", "output", {}}};
    network.probes = {{"output", "output", ProbeQuantity::kOutput, {}},
                      {"a", "a", ProbeQuantity::kSpikes, {}},
                      {"b", "b", ProbeQuantity::kSpikes, {}}};
    network.tensors = {Tensor("w0", {kFirst, kIn}, w0_), Tensor("b0", {kFirst}, b0_),
                       Tensor("w1", {kSecond, kFirst}, w1_), Tensor("b1", {kSecond}, b1_),
                       Tensor("w2", {kOut, kSecond}, w2_)};
    return network;
  }

  Layer First() const { return Layer(Cut(w0_, b0_, kByteScale * kDt, kGain, kIn)); }
  Layer Second() const { return Layer(Cut(w1_, b1_, kAmplitude, kGain, kFirst)); }

  SimulationSpec Spec(std::int64_t steps, std::vector<std::int64_t> probes) const {
    SimulationSpec spec;
    spec.settings.steps = steps;
    spec.inputs = {{.type = DataType::kUint8}};
    spec.probes = std::move(probes);
    spec.statistics = true;
    return spec;
  }

  static constexpr double kGain = 700, kAmplitude = 0.0123;
  Random random_{7};
  const std::vector<float> w0_ = random_.Floats(kFirst * kIn, -1, 1.2), b0_ = random_.Floats(kFirst, -1, 1),
                           w1_ = random_.Floats(kSecond * kFirst, -0.3, 0.35),
                           b1_ = random_.Floats(kSecond, -1, 1), w2_ = random_.Floats(kOut * kSecond, -1, 1);
  std::vector<std::int64_t> bytes_ = [this] {
    std::vector<std::int64_t> bytes;
    for (std::int64_t i = 0; i < kIn; ++i) {
      bytes.push_back(random_.Below(256));
    }
    return bytes;
  }();
  std::vector<Sample> sample_{{{std::vector<std::byte>(bytes_.size())}}};
};

TEST_F(MemoryTest, SendsAtEveryStepWhatIntegersSay) {
  constexpr std::int64_t kSteps = 50;
  std::transform(bytes_.begin(), bytes_.end(), sample_[0].inputs[0].begin(),
                 [](std::int64_t byte) { return static_cast<std::byte>(byte); });
  SimulationSpec spec = Spec(kSteps, {1, 2});
  spec.trajectories = true;
  const Reading reading = Simulate(Load(Definition(), Mode::kExact), spec, sample_);
  Layer first = First(), second = Second();
  std::int64_t taken_back = 0;
  for (std::size_t step = 0; step < kSteps; ++step) {
    const std::vector<std::int64_t> a = first.Step(bytes_);
    const std::vector<std::int64_t> b = second.Step(a);
    for (std::size_t j = 0; j < a.size(); ++j) {
      ASSERT_EQ(reading.probes[0].trajectory[step * a.size() + j], static_cast<double>(a[j]));
    }
    for (std::size_t j = 0; j < b.size(); ++j) {
      ASSERT_EQ(reading.probes[1].trajectory[step * b.size() + j], static_cast<double>(b[j]));
      taken_back += b[j] < 0 ? 1 : 0;
    }
  }
  EXPECT_GT(taken_back, 0);
}

// Counts of one, two and three digits.
TEST_F(MemoryTest, HasSentInTheEndWhatIntegersSay) {
  std::transform(bytes_.begin(), bytes_.end(), sample_[0].inputs[0].begin(),
                 [](std::int64_t byte) { return static_cast<std::byte>(byte); });
  Layer first = First(), second = Second();
  std::int64_t step = 0;
  for (const std::int64_t steps : {1, 2, 90, 1000, 100'000}) {
    for (; step < steps; ++step) {
      second.Step(first.Step(bytes_));
    }
    std::vector<double> output(kOut);
    std::int64_t spikes = 0;
    for (std::size_t j = 0; j < kSecond; ++j) {
      spikes += second.sent()[j];
      for (std::size_t o = 0; o < kOut; ++o) {
        output[o] += static_cast<double>(w2_[o * kSecond + j]) * static_cast<double>(second.sent()[j]) / kDt /
                     static_cast<double>(steps);
      }
    }
    for (const std::string& target : kernels::CpuTargets()) {
      kernels::ForceCpuTarget(target);
      const Reading reading = Simulate(Load(Definition(), Mode::kExact), Spec(steps, {0}), sample_);
      ASSERT_TRUE(reading.sample_status[0].ok()) << reading.sample_status[0].message();
      EXPECT_EQ(reading.statistics[0][1].spikes, spikes) << steps << " steps, " << target;
      for (std::size_t o = 0; o < kOut; ++o) {
        EXPECT_NEAR(reading.probes[0].values[o], output[o], 2e-6 * 1000 * kSecond);
      }
    }
    kernels::ForceCpuTarget("");
  }
  EXPECT_GT(*std::max_element(first.sent().begin(), first.sent().end()), 65'535);
}

TEST_F(MemoryTest, RefusesRowsThatNoUnitFits) {
  NetworkDefinition network = Definition();
  std::get<NeuronOperation>(network.operations[4].kind).gain = 1e12;
  try {
    Load(network, Mode::kExact);
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("neuron 0 of 'b'"), std::string::npos) << error.what();
  }
}

TEST_F(MemoryTest, RefusesABoundWithAGainThatIsNotPositive) {
  NetworkDefinition network = Definition();
  auto& neuron = std::get<NeuronOperation>(network.operations[4].kind);
  neuron.model = MemoryRectifiedLinear{1, 6.0, 0};
  neuron.gain = -1.0;
  try {
    Load(network, Mode::kExact);
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("gain of neuron 0 of 'b' is -1"), std::string::npos)
        << error.what();
  }
}

TEST_F(MemoryTest, SaysWhereNumbersLeaveTheirRange) {
  NetworkDefinition network = Definition();
  for (const std::size_t neurons : {2U, 4U}) {
    std::get<NeuronOperation>(network.operations[neurons].kind).gain = 2e8;
  }
  std::get<NeuronOperation>(network.operations[2].kind).model = MemoryRectifiedLinear{1e-3, std::nullopt, 0};
  std::fill(sample_[0].inputs[0].begin(), sample_[0].inputs[0].end(), std::byte{255});
  const Reading reading = Simulate(Load(network, Mode::kExact), Spec(100'000, {0}), sample_);
  EXPECT_EQ(reading.sample_status[0].code(), StatusCode::kOutOfRange);
  EXPECT_NE(reading.sample_status[0].message().find("layer 'a': what its neurons with memory have"),
            std::string::npos)
      << reading.sample_status[0].message();
}

}  // namespace
}  // namespace spikeserve::engine
