// Time steps of the neuron types beyond the plain integrators, in both modes.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/definitions.h"
#include "tests/support/run.h"

namespace spikeserve::engine {
namespace {

using testing::Bytes;
using testing::Sample;
using testing::SingleOperation;

class NeuronTypes : public ::testing::TestWithParam<Mode> {
 protected:
  struct Run {
    NeuronModel model;
    std::vector<double> input;  // per step where it is longer than `size`
    std::int64_t size = 1;
    std::int64_t steps = 1;
    std::optional<InitialVoltage> voltage = ZeroVoltage{};
    std::optional<std::uint64_t> seed = std::nullopt;
    bool statistics = false;
    double dt_s = 0.001;
  };

  // Output of every step, and spikes and voltage where the model has them.
  Reading Simulate(const Run& run, std::int64_t samples = 1) const {
    NetworkDefinition network = SingleOperation(NeuronOperation{run.model, {}, {}, run.voltage}, {run.size});
    for (const ProbeQuantity quantity : {ProbeQuantity::kSpikes, ProbeQuantity::kVoltage}) {
      NetworkDefinition more = network;
      more.probes.push_back({"probe" + std::to_string(network.probes.size()), "op", quantity, {}});
      if (Network::Create(more, {}).ok()) {
        network = more;
      }
    }
    SimulationSpec spec;
    spec.settings.steps = run.steps;
    spec.settings.seed = run.seed;
    spec.settings.dt_s = run.dt_s;
    spec.inputs = {{DataType::kFloat64, static_cast<std::int64_t>(run.input.size()) > run.size}};
    spec.trajectories = true;
    spec.statistics = run.statistics;
    for (std::size_t i = 0; i < network.probes.size(); ++i) {
      spec.probes.push_back(static_cast<std::int64_t>(i));
    }
    const std::vector<Sample> batch(static_cast<std::size_t>(samples), Sample{{Bytes(run.input)}});
    return testing::Simulate(testing::Load(network, GetParam()), spec, batch);
  }

  bool exact() const { return GetParam() == Mode::kExact; }
};

double Sum(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) {
    sum += value;
  }
  return sum;
}

// 5,000 neurons with currents up to a rate of 400 Hz: at every step the count is that of the closed form.
TEST_P(NeuronTypes, LifRatesAndCountsOfManyNeurons) {
  constexpr std::int64_t kNeurons = 5000;
  std::vector<double> currents;
  for (std::int64_t j = 0; j < kNeurons; ++j) {
    currents.push_back(0.5 + 40.0 * static_cast<double>(j) / kNeurons);
  }
  const Reading reading = Simulate({Lif{}, currents, kNeurons, 1000});
  std::vector<double> counts(currents.size());
  for (std::size_t n = 0; n < 1000; ++n) {
    for (std::size_t j = 0; j < counts.size(); ++j) {
      const double rate = currents[j] > 1 ? 1 / (0.002 + 0.02 * std::log1p(1 / (currents[j] - 1))) : 0;
      counts[j] += reading.probes[1].trajectory[n * counts.size() + j];
      ASSERT_NEAR(counts[j], 0.001 * static_cast<double>(n + 1) * rate, 1.0001) << currents[j] << " " << n;
      if (n == 999) {
        ASSERT_NEAR(counts[j], rate, std::max(1.0, 0.02 * rate)) << currents[j];
      }
    }
  }
}

// A tenth of the step changes the rates by a few Hz.
TEST_P(NeuronTypes, RatesHardlyDependOnTheStep) {
  const std::vector<double> currents = {0.5, 1.1, 2, 5, 12};
  for (const NeuronModel& model : {NeuronModel(Lif{}), NeuronModel(AdaptiveLif{.tau_n = 0.1, .inc_n = 0.02}),
                                   NeuronModel(RegularSpiking{LifRate{}, 1})}) {
    const Reading coarse = Simulate({.model = model, .input = currents, .size = 5, .steps = 1000});
    const Reading fine =
        Simulate({.model = model, .input = currents, .size = 5, .steps = 10000, .dt_s = 0.0001});
    double squares = 0;
    for (std::size_t j = 0; j < 5; ++j) {
      squares += std::pow(coarse.probes[0].values[j] - fine.probes[0].values[j], 2);
    }
    EXPECT_LT(std::sqrt(squares / 5), 10) << model.index();
  }
}

TEST_P(NeuronTypes, IntegrateAndFireStopsAtItsFloor) {
  const Reading reading =
      Simulate({IntegrateAndFire{1, -1.5}, {-1000, -1000, 600, 3000, -400}, 1, 5, ConstantVoltage{0.5}});
  EXPECT_EQ(reading.probes[1].trajectory, (std::vector<double>{0, 0, 0, 2, 0}));
  const double voltages[] = {-0.5, -1.5, -0.9, 0.1, -0.3};
  for (std::size_t n = 0; n < 5; ++n) {
    EXPECT_NEAR(reading.probes[2].trajectory[n], voltages[n], 1e-6);
  }
}

TEST_P(NeuronTypes, SpikingLeakyRectifiedLinearSpikesBothWays) {
  for (const double slope : {0.1, 0.5}) {
    const std::vector<double> currents = {-300, -2500, 700, 2500};
    const Reading reading = Simulate({SpikingLeakyRectifiedLinear{slope, 2}, currents, 4, 1000});
    for (std::size_t j = 0; j < 4; ++j) {
      const double rate = currents[j] < 0 ? slope * currents[j] : currents[j];
      EXPECT_NEAR(reading.probes[0].values[j], 2 * rate, 2.001) << currents[j];  // one spike of height 2
    }
  }
}

TEST_P(NeuronTypes, AdaptationLowersTheRateToItsRateForm) {
  const std::vector<double> currents = {2, 5, 20};
  const Reading spikes = Simulate({AdaptiveLif{.tau_n = 0.1, .inc_n = 0.02}, currents, 3, 3000});
  const Reading rates = Simulate({AdaptiveLifRate{.tau_n = 0.1, .inc_n = 0.02}, currents, 3, 3000, {}});
  for (std::size_t j = 0; j < 3; ++j) {
    const double rate = rates.probes[0].trajectory[2999 * 3 + j];
    EXPECT_LT(rate, rates.probes[0].trajectory[j]);
    const double settled = 1 / (0.002 + 0.02 * std::log1p(1 / (currents[j] - 0.02 * rate - 1)));
    EXPECT_NEAR(rate, settled, 1e-3 * settled);
    EXPECT_NEAR(spikes.probes[0].values[j], rates.probes[0].values[j], 0.07 * rate);
  }
}

TEST_P(NeuronTypes, RateModelsGiveTheirFormulas) {
  const std::vector<double> x = {-3, -0.5, 0, 0.7, 1.2, 4};
  struct Row {
    NeuronModel model;
    double (*formula)(double);
  };
  const Row rows[] = {{LeakyRectifiedLinear{0.2, 3}, [](double v) { return 3 * (v > 0 ? v : 0.2 * v); }},
                      {Sigmoid{0.0025}, [](double v) { return 400 / (1 + std::exp(-v)); }},
                      {Tanh{0.01}, [](double v) { return 100 * std::tanh(v); }},
                      {LifRate{0.02, 0.002, 2},
                       [](double v) { return v > 1 ? 2 / (0.002 + 0.02 * std::log1p(1 / (v - 1))) : 0; }},
                      {SoftLifRate{0.02, 0.002, 1, 0.5}, [](double v) {
                         return 1 /
                                (0.002 + 0.02 * std::log1p(1 / (0.5 * std::log1p(std::exp((v - 1) / 0.5)))));
                       }}};
  for (const Row& row : rows) {
    const Reading reading = Simulate({row.model, x, 6, 2, {}});
    ASSERT_EQ(reading.probes.size(), 1U);  // neither spikes nor voltage
    for (std::size_t j = 0; j < 6; ++j) {
      const double wanted = row.formula(x[j]);
      EXPECT_NEAR(reading.probes[0].values[j], wanted, exact() ? 1e-4 : 1e-9)
          << row.model.index() << " " << x[j];
    }
  }
}

// A regular spiking ReLU is SpikingRectifiedLinear.
TEST_P(NeuronTypes, RegularSpikingOfReluIsTheIntegrator) {
  const std::vector<double> currents = {-20, 333.25, 2500.5};
  const Reading regular = Simulate({RegularSpiking{RectifiedLinear{}, 1}, currents, 3, 200});
  const Reading plain = Simulate({SpikingRectifiedLinear{}, currents, 3, 200});
  EXPECT_EQ(regular.probes[1].trajectory, plain.probes[1].trajectory);
}

TEST_P(NeuronTypes, SpikingRulesTrackTheirRate) {
  const std::vector<double> x = {-2, -0.3, 0.4, 3};
  const RateModel base = Tanh{0.005};
  for (const NeuronModel& model :
       {NeuronModel(RegularSpiking{base, 0.5}), NeuronModel(StochasticSpiking{base, 0.5}),
        NeuronModel(PoissonSpiking{base, 0.5})}) {
    const bool regular = std::holds_alternative<RegularSpiking>(model);
    const Reading reading =
        Simulate({model, x, 4, 10000, regular ? std::optional<InitialVoltage>(ZeroVoltage{}) : std::nullopt});
    ASSERT_EQ(reading.probes.size(), regular ? 3U : 2U);  // the random ones have no voltage
    for (std::size_t j = 0; j < 4; ++j) {
      const double rate = 200 * std::tanh(x[j]);
      const double deviation = std::sqrt(std::abs(rate) / 10);  // of a Poisson rate over 10 s
      EXPECT_NEAR(reading.probes[0].values[j], 0.5 * rate, regular ? 0.1 : 2 * deviation) << x[j];
    }
  }
}

// Numbers depend on the seed and the place in the request, and on nothing else.
TEST_P(NeuronTypes, RandomNeuronsDrawBySeedAndPlace) {
  const Run run{PoissonSpiking{RectifiedLinear{}, 1}, {500, 500}, 2, 100, {}, 5};
  const Reading first = Simulate(run, 2);
  const std::vector<double>& counts = first.probes[1].trajectory;  // [sample, step, neuron]
  EXPECT_EQ(Simulate(run, 2).probes[1].trajectory, counts);
  EXPECT_NE(std::vector<double>(counts.begin(), counts.begin() + 200),
            std::vector<double>(counts.begin() + 200, counts.end()));
  Run other = run;
  other.seed = 6;
  EXPECT_NE(Simulate(other, 2).probes[1].trajectory, counts);
}

TEST_P(NeuronTypes, NegativeSpikesCountAsSpikes) {
  Run run{RegularSpiking{Tanh{0.01}, 1}, {-5, 5}, 2, 1000};
  run.statistics = true;
  const Reading reading = Simulate(run);
  EXPECT_LT(Sum(reading.probes[1].trajectory), 5);
  EXPECT_NEAR(static_cast<double>(reading.spikes[0]), 200, 2);
  EXPECT_EQ(reading.statistics[0][0].spikes, reading.spikes[0]);
}

// Regular spiking of a tonic cell: it fires, and a stronger current fires it more.
TEST_P(NeuronTypes, IzhikevichFiresMoreForMore) {
  const Reading reading = Simulate({Izhikevich{}, {0, 6, 15}, 3, 1000, ConstantVoltage{-65}});
  EXPECT_EQ(reading.probes[0].values[0], 0);
  EXPECT_GT(reading.probes[0].values[1], 2);
  EXPECT_GT(reading.probes[0].values[2], 1.5 * reading.probes[0].values[1]);
}

// A current that is beyond float32 ends the sample with a message, in every model.
TEST_P(NeuronTypes, HugeCurrentsAreRefusedNotClipped) {
  for (const NeuronModel& model :
       {NeuronModel(RegularSpiking{RectifiedLinear{}, 1}), NeuronModel(PoissonSpiking{RectifiedLinear{}, 1}),
        NeuronModel(StochasticSpiking{RectifiedLinear{}, 1}), NeuronModel(SpikingLeakyRectifiedLinear{})}) {
    const Reading reading = Simulate({model, {1e30}, 1, 2, {}});
    EXPECT_EQ(reading.sample_status[0].code(), StatusCode::kOutOfRange) << model.index();
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, NeuronTypes, ::testing::Values(Mode::kReference, Mode::kExact),
                         [](const auto& row) { return row.param == Mode::kExact ? "Exact" : "Reference"; });

}  // namespace
}  // namespace spikeserve::engine
