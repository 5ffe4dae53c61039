#include "tests/support/random_neurons.h"

#include <cmath>
#include <utility>

namespace spikeserve::testing {
namespace {

struct RandomRate {
  engine::RateModel model;
  double current = 1;
  double level = 1;
};

constexpr std::int64_t kRates = 7;

RandomRate MakeRandomRate(Random& random, std::int64_t kind) {
  const double tau_rc = random.Uniform(0.005, 0.05);
  const double tau_ref = random.Uniform(0, 0.004);
  const double bound = random.Uniform(0.0005, 0.01);
  switch (kind) {
    case 0: return {engine::RectifiedLinear{0.5}, 1000, 500};
    case 1: return {engine::LeakyRectifiedLinear{0.2, 0.5}, 1000, 500};
    case 2: return {engine::Sigmoid{bound}, 3, 0.5 / bound};
    case 3: return {engine::Tanh{bound}, 2, 0.5 / bound};
    case 4: return {engine::LifRate{tau_rc, tau_ref, 1}, 5, 100};
    case 5: return {engine::SoftLifRate{tau_rc, tau_ref, 1, random.Uniform(0.1, 1)}, 5, 100};
    default: return {engine::AdaptiveLifRate{tau_rc, tau_ref, 1, random.Uniform(0.02, 0.2), 0.01}, 5, 100};
  }
}

}  // namespace

RandomModel MakeRandomModel(Random& random) {
  const double amplitude = random.Pick(std::vector<double>{1, 0.01, 0.5, -0.25});
  const double size = std::abs(amplitude);
  const double tau_rc = random.Uniform(0.005, 0.05);
  const std::int64_t kind = random.Below(7 + kRates);
  switch (kind) {
    case 0: return {engine::IntegrateAndFire{amplitude, -random.Uniform(0, 2)}, 1000, 1000 * size};
    case 1:
      return {engine::AdaptiveLif{tau_rc, 0.002, -random.Uniform(0, 1), amplitude, 0.1, 0.02 / amplitude}, 5,
              100 * size};
    case 2: return {engine::Izhikevich{0.02, 0.2, -65, 8, amplitude}, 15, 20 * size};
    case 3: return {engine::SpikingLeakyRectifiedLinear{0.3, amplitude}, 1000, 1000 * size};
    default: break;
  }
  const RandomRate rate = MakeRandomRate(random, kind < 7 ? random.Below(kRates) : kind - 7);
  switch (kind) {
    case 4: return {engine::RegularSpiking{rate.model, amplitude}, rate.current, rate.level * size};
    case 5: return {engine::StochasticSpiking{rate.model, amplitude}, rate.current, rate.level * size};
    case 6: return {engine::PoissonSpiking{rate.model, amplitude}, rate.current, rate.level * size};
    default: break;
  }
  return {std::visit([](const auto& model) { return engine::NeuronModel{model}; }, rate.model), rate.current,
          rate.level};
}

engine::SynapseKind RandomSynapse(Random& random) {
  const double tau = random.Uniform(0.0005, 0.02);
  switch (random.Below(5)) {
    case 0: return engine::Alpha{random.Chance(0.1) ? 0.0 : tau};
    case 1: return engine::Triangle{random.Uniform(0, 0.01)};
    case 2: return engine::LinearFilter{{1}, {tau * tau, 1.2 * tau, 1}, false};
    case 3: return engine::LinearFilter{{0.2, 0.1}, {1, -0.9, 0.2}, true};
    default: return engine::LinearFilter{{0.5 * tau, 1}, {tau, 1}, false};  // passes a part on undamped
  }
}

}  // namespace spikeserve::testing
