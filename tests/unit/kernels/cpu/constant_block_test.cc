// Blocks whose charge does not change against the steps of neurons.h, by bytes, on every target.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/cpu/neurons.h"
#include "kernels/cpu/spikes/event_layer.h"
#include "tests/support/cpu_targets.h"
#include "tests/support/random.h"

namespace spikeserve::kernels {
namespace {

struct Neurons {
  std::vector<float> current, bias, voltage, last;
  std::vector<std::int64_t> spikes;
};

// Neurons at rest, with currents of all signs, and now and then a start that spikes by itself.
Neurons RandomNeurons(std::int64_t width, bool below_zero, testing::Random& random) {
  Neurons neurons;
  const auto size = static_cast<std::size_t>(width);
  for (std::size_t j = 0; j < size; ++j) {
    const double most = random.Between(0, 3) == 0 ? 90.0 : 1.2;
    neurons.current.push_back(
        static_cast<float>(random.Between(0, 4) == 0 ? 0 : random.Uniform(-most, most)));
    neurons.bias.push_back(static_cast<float>(random.Between(0, 2) == 0 ? 0 : random.Uniform(-0.1, 0.1)));
    double start = random.Between(0, 9) == 0 ? 1 : random.Uniform(0, 1);
    start = random.Between(0, 9) == 0 ? -0.0 : start;
    neurons.voltage.push_back(static_cast<float>(below_zero && j % 3 == 0 ? -start * 5 : start));
  }
  neurons.last.assign(size, -1.0F);
  neurons.spikes.assign(size, 7);
  return neurons;
}

// What the plain steps make of them.
Neurons Stepped(Neurons neurons, EventNeuron kind, std::int64_t steps) {
  std::vector<std::int32_t> counts(neurons.current.size());
  const math::spiking::Function one = kind == EventNeuron::kIntegrateAndFire
                                          ? math::spiking::Function(math::spiking::IntegrateAndFire{})
                                          : math::spiking::RectifiedLinear{};
  for (std::int64_t step = 0; step < steps; ++step) {
    StepSpikes(one, neurons.current, neurons.bias, {.voltage = neurons.voltage}, {}, counts);
    for (std::size_t j = 0; j < counts.size(); ++j) {
      neurons.spikes[j] += counts[j];
      neurons.last[j] = static_cast<float>(counts[j]);
    }
  }
  return neurons;
}

Neurons AsBlock(Neurons neurons, EventNeuron kind, std::int64_t steps, bool ends = false) {
  EventTerm term;
  term.constant = neurons.current.data();
  EventFold fold;
  fold.last = neurons.last.data();
  EventBlock block;
  block.steps = steps;
  block.width = static_cast<std::int64_t>(neurons.current.size());
  block.neuron = kind;
  block.terms = std::span(&term, 1);
  block.bias = neurons.bias.data();
  block.voltage = neurons.voltage.data();
  block.spikes = neurons.spikes.data();
  block.fold = &fold;
  block.ends = ends;
  EXPECT_TRUE(RunEventBlock(block).narrow);
  return neurons;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Neurons between two spikes, whose voltages come close to an integer at the last step where `near`.
Neurons ChargingNeurons(std::int64_t width, std::int64_t steps, bool near, testing::Random& random) {
  Neurons neurons = RandomNeurons(width, false, random);
  for (std::size_t j = 0; j < neurons.current.size(); ++j) {
    const bool zero = random.Between(0, 9) == 0;
    neurons.voltage[j] = zero ? -0.0F : static_cast<float>(random.Uniform(0, 0.9999));
    if (near) {
      const double spikes = static_cast<double>(random.Between(1, 3 * steps));
      neurons.bias[j] = 0;
      neurons.current[j] = static_cast<float>((spikes - neurons.voltage[j]) / static_cast<double>(steps));
      const float towards = random.Chance(0.5) ? 0.0F : 4.0F;
      for (std::int64_t nudge = random.Between(0, 6); nudge > 0; --nudge) {
        neurons.current[j] = std::nextafter(neurons.current[j], towards);
      }
    }
  }
  return neurons;
}

class ConstantBlock : public ::testing::TestWithParam<EventNeuron> {
 protected:
  void ExpectSteps(std::int64_t steps, bool below_zero) {
    testing::Random random(static_cast<std::uint64_t>(steps));
    testing::OnEveryCpuTarget([&] {
      for (std::int64_t width = 1; width <= EventBlockWidth(); width += 1 + width / 5) {
        const Neurons neurons = RandomNeurons(width, below_zero, random);
        const Neurons wanted = Stepped(neurons, GetParam(), steps);
        const Neurons got = AsBlock(neurons, GetParam(), steps);
        ASSERT_EQ(got.spikes, wanted.spikes) << width << " neurons, " << steps << " steps";
        ASSERT_TRUE(SameBits(got.voltage, wanted.voltage)) << width << " neurons";
        ASSERT_EQ(got.last, wanted.last) << width << " neurons";
      }
    });
  }
};

TEST_P(ConstantBlock, CountsAsTheStepsDo) {
  for (const std::int64_t steps : {1, 2, 3, 17, 100, 1000, 1024, 1025, 1500}) {
    ExpectSteps(steps, false);
  }
}

TEST_P(ConstantBlock, StartsBelowZero) {
  if (GetParam() == EventNeuron::kIntegrateAndFire) {
    ExpectSteps(60, true);  // the other type leaves such blocks to the plain loops
  }
}

TEST_P(ConstantBlock, CountsAtItsEndWithoutTakingTheSteps) {
  testing::Random random(3);
  testing::OnEveryCpuTarget([&] {
    std::int64_t counted = 0, blocks = 0;
    for (const std::int64_t steps : {1, 2, 17, 100, 1000, 1500}) {
      for (std::int64_t width = 1; width <= EventBlockWidth(); width += 1 + width / 5) {
        const bool below_zero = GetParam() == EventNeuron::kIntegrateAndFire && width % 2 == 0;
        for (const Neurons& neurons :
             {ChargingNeurons(width, steps, false, random), RandomNeurons(width, below_zero, random)}) {
          const Neurons got = AsBlock(neurons, GetParam(), steps, true);
          ASSERT_EQ(got.spikes, Stepped(neurons, GetParam(), steps).spikes)
              << width << " neurons, " << steps << " steps";
          counted += SameBits(got.voltage, neurons.voltage) && got.last == neurons.last ? 1 : 0;
          ++blocks;
        }
      }
    }
    EXPECT_GT(counted, blocks / 4);  // most of those that charge, up to 1024 steps
  });
}

// One neuron for each block, so that a neighbour near an integer does not send it to the steps.
TEST_P(ConstantBlock, CountsSingleNeuronsAtTheirEnd) {
  testing::Random random(11);
  testing::OnEveryCpuTarget([&] {
    for (std::int64_t trial = 0; trial < 20'000; ++trial) {
      const std::int64_t steps = random.Between(1, 1024);
      const Neurons neurons = ChargingNeurons(1, steps, true, random);
      ASSERT_EQ(AsBlock(neurons, GetParam(), steps, true).spikes, Stepped(neurons, GetParam(), steps).spikes)
          << neurons.voltage[0] << " + " << steps << " x " << neurons.current[0];
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Neurons, ConstantBlock,
                         ::testing::Values(EventNeuron::kIntegrateAndFire,
                                           EventNeuron::kSpikingRectifiedLinear));

}  // namespace
}  // namespace spikeserve::kernels
