// Synapses and delays against closed forms, in both modes, and what is refused about them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <functional>
#include <limits>
#include <vector>

#include "server/engine/network/synapse_rules.h"
#include "tests/support/definitions.h"
#include "tests/support/run.h"

namespace spikeserve::engine {
namespace {

using testing::Bytes;
using ::testing::HasSubstr;
using testing::Sample;
using testing::SingleOperation;

constexpr double kDt = 0.001;

class Synapses : public ::testing::TestWithParam<Mode> {
 protected:
  // The output of input -> [synapse, delay] -> sum, per step.
  std::vector<double> Respond(const Synapse& synapse, const std::vector<double>& input,
                              std::int64_t delay = 0) const {
    NetworkDefinition network = SingleOperation(WeightedSumOperation{{1}}, {1});
    network.connections[0].synapse = synapse;
    network.connections[0].delay_steps = delay;
    return Run(network, input);
  }

  std::vector<double> Run(const NetworkDefinition& network, const std::vector<double>& input) const {
    SimulationSpec spec;
    spec.settings.dt_s = kDt;
    spec.settings.steps = static_cast<std::int64_t>(input.size());
    spec.inputs = {{DataType::kFloat64, true}};
    spec.probes = {0};
    spec.trajectories = true;
    return testing::Simulate(testing::Load(network, GetParam()), spec, {Sample{{Bytes(input)}}})
        .probes[0]
        .trajectory;
  }

  // The step response one step late, against its closed form at t = n dt.
  void ExpectStepResponse(const Synapse& synapse, const std::function<double(double)>& formula) const {
    const std::vector<double> response = Respond(synapse, std::vector<double>(400, 1.0));
    for (std::size_t n = 0; n < response.size(); ++n) {
      ASSERT_NEAR(response[n], formula(kDt * static_cast<double>(n)), 1e-6) << n;
    }
  }
};

TEST_P(Synapses, AlphaRisesAsItsClosedForm) {
  for (const double tau : {0.0004, 0.005, 0.02, 0.5}) {
    ExpectStepResponse(Alpha{tau}, [tau](double t) { return 1 - (1 + t / tau) * std::exp(-t / tau); });
  }
  const double golden[] = {0, .01752310, .06155194, .12190138, .19120787, .26424112, .33737273};
  const std::vector<double> response = Respond(Alpha{0.005}, std::vector<double>(7, 1.0));
  for (std::size_t n = 0; n < 7; ++n) {
    EXPECT_NEAR(response[n], golden[n], 1e-7);
  }
  EXPECT_EQ(Respond(Alpha{0}, {1, 0, 0, 2}), (std::vector<double>{0, 1, 0, 0}));
}

TEST_P(Synapses, LowpassRisesAsItsClosedForm) {
  for (const double tau : {0.0004, 0.03, 1.0}) {
    ExpectStepResponse(Lowpass{tau}, [tau](double t) { return 1 - std::exp(-t / tau); });
    ExpectStepResponse(LinearFilter{{1}, {tau, 1}, false},
                       [tau](double t) { return 1 - std::exp(-t / tau); });
  }
}

// 1/prod(tau_i s + 1) by partial fractions, orders 2 to 4, with poles apart by a factor of a thousand.
TEST_P(Synapses, LinearFiltersOfRealPoles) {
  const std::vector<std::vector<double>> cases = {
      {0.01, 0.003}, {0.02, 0.005, 0.001}, {0.2, 0.05, 0.004, 0.0002}};
  for (const std::vector<double>& taus : cases) {
    std::vector<double> den = {1};
    for (const double tau : taus) {
      std::vector<double> next(den.size() + 1);
      for (std::size_t i = 0; i < den.size(); ++i) {
        next[i] += tau * den[i];
        next[i + 1] += den[i];
      }
      den = next;
    }
    ExpectStepResponse(LinearFilter{{1}, den, false}, [&taus](double t) {
      double y = 1;
      for (const double tau : taus) {
        double weight = 1;
        for (const double other : taus) {
          weight *= other == tau ? 1 : tau / (tau - other);
        }
        y -= weight * std::exp(-t / tau);
      }
      return y;
    });
  }
}

TEST_P(Synapses, LinearFilterThatOscillates) {
  const double w = 300;
  const double d = 0.2;  // damping
  const LinearFilter filter{{w * w}, {1, 2 * d * w, w * w}, false};
  const double wd = w * std::sqrt(1 - d * d);
  ExpectStepResponse(filter, [=](double t) {
    return 1 - std::exp(-d * w * t) * (std::cos(wd * t) + d * w / wd * std::sin(wd * t));
  });
}

// Part of the input passes undamped; the state is then read before it moves, as in Nengo.
TEST_P(Synapses, LinearFilterWithDirectPart) {
  const LinearFilter filter{{0.5, 3}, {2}, false};
  EXPECT_FALSE(Network::Create(
                   [&] {
                     NetworkDefinition network = SingleOperation(WeightedSumOperation{{1}}, {1});
                     network.connections[0].synapse = filter;
                     return network;
                   }(),
                   {})
                   .ok());
  EXPECT_EQ(Respond(LinearFilter{{3}, {2}, false}, {1, 2, 3}), (std::vector<double>{0, 1.5, 3}));
  const std::vector<double> response = Respond(LinearFilter{{0.5, 1}, {1, -0.5}, true}, {1, 0, 0, 0, 0});
  const double wanted[] = {0, 0.5, 1.25, 0.625, 0.3125};
  for (std::size_t n = 0; n < 5; ++n) {
    EXPECT_NEAR(response[n], wanted[n], 1e-7);
  }
}

// y[n] = 1.2 y[n-1] - 0.5 y[n-2] + 0.1 u[n] + 0.2 u[n-1], one step late.
TEST_P(Synapses, DiscreteFilterFollowsItsRecurrence) {
  std::vector<double> input;
  for (int n = 0; n < 200; ++n) {
    input.push_back(std::sin(0.1 * n * n));
  }
  const std::vector<double> response = Respond(LinearFilter{{0.1, 0.2}, {1, -1.2, 0.5}, true}, input);
  std::vector<double> y(input.size());
  for (std::size_t n = 0; n < input.size(); ++n) {
    const auto before = [&](const std::vector<double>& x, std::size_t k) { return n >= k ? x[n - k] : 0.0; };
    y[n] = 1.2 * before(y, 1) - 0.5 * before(y, 2) + 0.1 * input[n] + 0.2 * before(input, 1);
    ASSERT_NEAR(response[n], n > 0 ? y[n - 1] : 0.0, 1e-6) << n;
  }
}

TEST_P(Synapses, TriangleIsItsConvolution) {
  const std::vector<double> response = Respond(Triangle{0.003}, {1, 0, 0, 0, 0, 0, 2, 0});
  const double wanted[] = {0, .4, .3, .2, .1, 0, 0, .8};
  for (std::size_t n = 0; n < 8; ++n) {
    EXPECT_NEAR(response[n], wanted[n], 1e-7);
  }
  EXPECT_NEAR(Respond(Triangle{0.05}, std::vector<double>(60, 1.0)).back(), 1, 1e-6);
  EXPECT_EQ(Respond(Triangle{0}, {1, 5}), (std::vector<double>{0, 1}));
}

TEST_P(Synapses, DelaysComeOnTopOfTheSynapse) {
  const std::vector<double> pulse = {1, 2, 0, 0, 0, 0};
  EXPECT_EQ(Respond(std::nullopt, pulse, 3), (std::vector<double>{0, 0, 0, 1, 2, 0}));
  EXPECT_EQ(Respond(Lowpass{0}, pulse, 2), (std::vector<double>{0, 0, 0, 1, 2, 0}));
  EXPECT_EQ(Respond(Alpha{0}, pulse, 0), (std::vector<double>{0, 1, 2, 0, 0, 0}));
}

// A probe may be filtered and delayed as a connection may, with the same numbers.
TEST_P(Synapses, ProbesFilterAsConnectionsDo) {
  const std::vector<double> input = {1, 0, 3, 0, 0, -2, 0, 0, 0, 0};
  for (const Synapse& synapse : {Synapse(Alpha{0.002}), Synapse(Triangle{0.003}),
                                 Synapse(LinearFilter{{1}, {1e-5, 0.004, 1}, false})}) {
    NetworkDefinition network = SingleOperation(WeightedSumOperation{{1}}, {1});
    network.probes[0].synapse = synapse;
    network.probes[0].delay_steps = 2;
    EXPECT_EQ(Run(network, input), Respond(synapse, input, 2));
  }
}

// What a constant causes is not delayed: biases act from the first step.
TEST_P(Synapses, BiasesAreNeitherFilteredNorDelayed) {
  NetworkDefinition network = SingleOperation(AffineOperation{"w", "b"}, {1});
  network.tensors = {testing::Tensor("w", {1, 1}, {2}), testing::Tensor("b", {1}, {5})};
  network.connections[0].synapse = Triangle{0};
  network.connections[0].delay_steps = 1;
  EXPECT_EQ(Run(network, {1, 1, 1, 1}), (std::vector<double>{5, 5, 7, 7}));
}

TEST_P(Synapses, TooLongTrianglesAreRefusedForTheRun) {
  NetworkDefinition network = SingleOperation(WeightedSumOperation{{1}}, {1});
  network.connections[0].synapse = Triangle{10};
  EXPECT_THAT(Network::Create(network, {}).status().message(),
              HasSubstr("connection 0: triangle t is 10 s, more than the 4096 steps of 0.001 s"));
  network.defaults.dt = 0.01;  // the run has another
  try {
    Run(network, {1});
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("connection 'input' to 'op': triangle t is 10"));
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, Synapses, ::testing::Values(Mode::kReference, Mode::kExact),
                         [](const auto& row) { return row.param == Mode::kExact ? "Exact" : "Reference"; });

// Polynomials from their roots: stable where all lie on the right side.
TEST(IsStable, AsTheRootsSay) {
  using Complex = std::complex<double>;
  const auto polynomial = [](const std::vector<Complex>& roots) {
    std::vector<Complex> p = {3};
    for (const Complex& root : roots) {
      p.push_back(0);
      for (std::size_t i = p.size() - 1; i > 0; --i) {
        p[i] -= root * p[i - 1];
      }
    }
    std::vector<double> real;
    for (const Complex& value : p) {
      real.push_back(value.real());
    }
    return real;
  };
  const Complex pair{-0.3, 2};
  EXPECT_TRUE(IsStable(polynomial({}), false));
  EXPECT_TRUE(IsStable(polynomial({-2, -0.5, pair, std::conj(pair)}), false));
  EXPECT_FALSE(IsStable(polynomial({-2, 0.01, pair, std::conj(pair)}), false));
  EXPECT_FALSE(IsStable(polynomial({-2, -1, -pair, -std::conj(pair)}), false));
  EXPECT_FALSE(IsStable(polynomial({0}), false));
  const Complex inner{0.3, 0.9};
  EXPECT_TRUE(IsStable(polynomial({0.99, -0.99, inner, std::conj(inner)}), true));
  EXPECT_FALSE(IsStable(polynomial({1.01, -0.99, inner, std::conj(inner)}), true));
  EXPECT_FALSE(IsStable(polynomial({0.5, inner * 1.2, std::conj(inner) * 1.2}), true));
  EXPECT_FALSE(IsStable(polynomial({1}), true));
}

}  // namespace
}  // namespace spikeserve::engine
