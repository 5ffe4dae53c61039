// Layers of every functor of kernels/math against its neurons one by one, by bytes, on every target.

#include "kernels/cpu/neurons.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cpu/target.h"
#include "tests/support/random.h"

namespace spikeserve::kernels {
namespace {

namespace rate = math::rate;
namespace spiking = math::spiking;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
const math::DrawSite kSite = {{77, 3, 9}, 0, 0};

bool SameBytes(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Of each functor one that is busy with inputs of the given size.
template <typename Functions>
struct Busy {
  Functions neuron;
  double input = 1;
};

std::vector<Busy<spiking::Function>> EverySpiking() {
  const spiking::Lif lif{0.05F, 20.0F, 2.0F, 0.0F};
  return {{spiking::RectifiedLinear{}, 3},
          {spiking::IntegrateAndFire{}, 3},
          {spiking::BoundedIntegrateAndFire{-0.5F}, 3},
          {spiking::LeakyRectifiedLinear{0.3F}, 3},
          {lif, 10},
          {spiking::AdaptiveLif{lif, 0.01F, 5.0F}, 10},
          {spiking::Izhikevich{1, 0.02F, 0.2F, -65, 8}, 20},
          {spiking::Regular{0.001F}, 2000},
          {spiking::Stochastic{0.001F}, 2000},
          {spiking::Poisson{0.001F}, 20000}};
}

std::vector<Busy<rate::Function>> EveryRate() {
  return {{rate::RectifiedLinear{0.5F}, 100},
          {rate::LeakyRectifiedLinear{0.5F, 0.1F}, 100},
          {rate::Sigmoid{400}, 4},
          {rate::Tanh{400}, 3},
          {rate::Lif{1, 0.02F, 0.002F}, 8},
          {rate::SoftLif{1, 0.02F, 0.002F, 0.5F, 2, -0.69314718F}, 8},
          {rate::AdaptiveLif{{1, 0.02F, 0.002F}, 0.02F, 0.02F}, 8}};
}

template <typename Functions>
void ExpectComplete(const std::vector<Busy<Functions>>& all) {
  ASSERT_EQ(all.size(), std::variant_size_v<Functions>);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].neuron.index(), i);
  }
}

TEST(EveryFunctor, IsTested) {
  ExpectComplete(EverySpiking());
  ExpectComplete(EveryRate());
}

// A layer at rest, with room for what its type keeps alone.
struct Layer {
  template <typename Functions>
  Layer(const Functions& neuron, std::size_t size) : bias(size, 0.0F) {
    std::visit(
        [&]<typename Neuron>(const Neuron&) {
          math::ForEachState(
              [size](bool kept, std::vector<float>& values) { values.resize(kept ? size : 0); },
              Neuron::kStates, states);
        },
        neuron);
  }
  NeuronStates Spans() {
    NeuronStates spans;
    math::ForEachState([](std::span<float>& to, std::vector<float>& from) { to = from; }, spans, states);
    return spans;
  }

  std::vector<float> bias;
  math::PerState<std::vector<float>> states;
};

class Neurons : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { ForceCpuTarget(GetParam()); }
  void TearDown() override { ForceCpuTarget(""); }

  static void ExpectStates(Layer& layer, const std::vector<math::NeuronState>& wanted) {
    for (std::size_t j = 0; j < wanted.size(); ++j) {
      math::ForEachState(
          [j](const std::vector<float>& got, float value) {
            if (!got.empty()) {
              ASSERT_EQ(std::memcmp(&got[j], &value, sizeof(value)), 0) << j;
            }
          },
          layer.states, wanted[j]);
    }
  }

  template <typename Neuron>
  static void ExpectSpikes(const Neuron& neuron, double input, std::size_t size, testing::Random& random) {
    Layer layer(spiking::Function(neuron), size);
    layer.bias = random.Floats(static_cast<std::int64_t>(size), -0.1 * input, 0.3 * input);
    std::vector<math::NeuronState> states(size);
    std::vector<std::int32_t> counts(size);
    bool any = false;
    for (std::uint32_t step = 0; step < 60; ++step) {
      const std::vector<float> sum =
          random.Floats(static_cast<std::int64_t>(size), -0.6 * input, 1.2 * input);
      math::DrawSite site = kSite;
      site.step = step;
      const StepResult result = StepSpikes(neuron, sum, layer.bias, layer.Spans(), site, counts);
      std::int32_t largest = 0;
      std::int64_t spikes = 0;
      for (std::size_t j = 0; j < size; ++j) {
        site.neuron = static_cast<std::uint32_t>(j);
        const bool of_rate = Neuron::kInput == math::StepInput::kRate;
        const float current = of_rate ? sum[j] : sum[j] + layer.bias[j];
        const auto count = static_cast<std::int32_t>(math::Step(neuron, current, states[j], site));
        ASSERT_EQ(counts[j], count) << "step " << step << ", neuron " << j;
        largest = std::max(largest, std::abs(count));
        spikes += count;
        any = any || count != 0;
      }
      ASSERT_TRUE(result.in_range);
      ASSERT_EQ(result.largest, largest);
      ASSERT_EQ(result.spikes, spikes);
    }
    EXPECT_TRUE(any);
    ExpectStates(layer, states);
  }

  template <typename Rate>
  static void ExpectRates(const Rate& neuron, double input, std::size_t size, testing::Random& random) {
    Layer layer(rate::Function(neuron), size);
    layer.bias = random.Floats(static_cast<std::int64_t>(size), -0.1 * input, 0.3 * input);
    std::vector<math::NeuronState> states(size);
    std::vector<float> values(size), wanted(size);
    for (int step = 0; step < 20; ++step) {
      const std::vector<float> sum =
          random.Floats(static_cast<std::int64_t>(size), -0.6 * input, 1.2 * input);
      StepRates(neuron, sum, layer.bias, layer.Spans(), values);
      for (std::size_t j = 0; j < size; ++j) {
        wanted[j] = math::Step(neuron, sum[j] + layer.bias[j], states[j], {});
      }
      ASSERT_TRUE(SameBytes(values, wanted)) << "step " << step;
    }
    ExpectStates(layer, states);
  }
};

// A layer at once is its neurons one by one, bit for bit, whatever its length.
TEST_P(Neurons, AreTheirLayer) {
  testing::Random random(3);
  for (const std::size_t size : std::vector<std::size_t>{1, 3, 8, 17, 100}) {
    for (const auto& [neuron, input] : EverySpiking()) {
      SCOPED_TRACE(::testing::Message() << "spiking type " << neuron.index() << ", size " << size);
      std::visit([&, input = input](const auto& kind) { ExpectSpikes(kind, input, size, random); }, neuron);
    }
    for (const auto& [neuron, input] : EveryRate()) {
      SCOPED_TRACE(::testing::Message() << "rate type " << neuron.index() << ", size " << size);
      std::visit([&, input = input](const auto& kind) { ExpectRates(kind, input, size, random); }, neuron);
    }
  }
}

bool InRange(const spiking::Function& neuron, float current) {
  Layer layer(neuron, 2);
  std::vector<std::int32_t> counts(2);
  return StepSpikes(neuron, std::vector<float>{1, current}, layer.bias, layer.Spans(), {}, counts).in_range;
}

TEST_P(Neurons, TellOfCountsBeyondFloat32) {
  for (const float current : {kMaxSpikesPerStep, 3e38F, kInf, kNan}) {
    EXPECT_FALSE(InRange(spiking::RectifiedLinear{}, current)) << current;
    EXPECT_FALSE(InRange(spiking::IntegrateAndFire{}, current)) << current;
  }
  EXPECT_TRUE(InRange(spiking::RectifiedLinear{}, kMaxSpikesPerStep - 2));
  EXPECT_TRUE(InRange(spiking::IntegrateAndFire{}, kMaxSpikesPerStep - 2));
  EXPECT_TRUE(InRange(spiking::Lif{0.05F, 20.0F, 2.0F, 0.0F}, 1e30F));  // one spike at most
}

TEST_P(Neurons, RateIsTheRectifiedCurrent) {
  std::vector<float> values(3);
  StepRates(rate::RectifiedLinear{-0.5F}, std::vector<float>{1, -5, 2}, std::vector<float>{1, 1, -4}, {},
            values);
  EXPECT_EQ(values, (std::vector<float>{-1, 0, 0}));
}

INSTANTIATE_TEST_SUITE_P(Targets, Neurons, ::testing::ValuesIn(CpuTargets()));

}  // namespace
}  // namespace spikeserve::kernels
