#include "tests/support/every_kind.h"

#include <utility>

namespace spikeserve::testing {
namespace {

using engine::Alpha;
using engine::LinearFilter;
using engine::Triangle;

std::vector<std::pair<engine::RateModel, double>> Rates() {
  return {{engine::RectifiedLinear{0.5}, 900},
          {engine::LeakyRectifiedLinear{0.2, 0.5}, 900},
          {engine::Sigmoid{0.0025}, 4},
          {engine::Tanh{0.0005}, 3},
          {engine::LifRate{0.02, 0.002, 1}, 8},
          {engine::SoftLifRate{0.02, 0.001, 1, 0.3}, 8},
          {engine::AdaptiveLifRate{0.02, 0.002, 1, 0.05, 0.02}, 8}};
}

}  // namespace

std::vector<BusyModel> EveryModel() {
  std::vector<BusyModel> models = {{engine::SpikingRectifiedLinear{1}, 1200},
                                   {engine::IntegrateAndFire{1}, 1200},
                                   {engine::IntegrateAndFire{1, -0.5}, 1200},
                                   {engine::SpikingLeakyRectifiedLinear{0.3, 1}, 1200},
                                   {engine::Lif{}, 6},
                                   {engine::Lif{0.01, 0, -1, 1}, 6},
                                   {engine::AdaptiveLif{0.02, 0.002, -0.5, 1, 0.1, 0.02}, 6},
                                   {engine::Izhikevich{}, 20}};
  for (const auto& [rate, current] : Rates()) {
    models.push_back({std::visit([](const auto& kind) { return engine::NeuronModel{kind}; }, rate), current});
    models.push_back({engine::RegularSpiking{rate, 1}, current});
    models.push_back({engine::StochasticSpiking{rate, 1}, current});
    models.push_back({engine::PoissonSpiking{rate, 1}, current});
  }
  // Means beyond 10 are drawn in another way.
  models.push_back({engine::PoissonSpiking{engine::RectifiedLinear{1}, 1}, 60000});
  return models;
}

std::vector<engine::Synapse> EverySynapse() {
  return {std::nullopt,
          engine::Lowpass{0.004},
          Alpha{0.003},
          Alpha{0.0},
          Triangle{0.0},
          Triangle{0.001},
          Triangle{0.0234},
          LinearFilter{{0.5}, {2}, false},
          LinearFilter{{1}, {0.003, 1}, false},
          LinearFilter{{0.001, 1}, {0.003, 1}, false},
          LinearFilter{{0.4, 0.1}, {1, -0.5}, true},
          LinearFilter{{1}, {9e-6, 0.0036, 1}, false},
          LinearFilter{{0.2, 0.1}, {1, -0.9, 0.2}, true},
          LinearFilter{{0.1, 0.2, 0.1}, {1, -0.9, 0.2}, true},
          LinearFilter{{1}, {2.7e-8, 2.7e-5, 9e-3, 1}, false},
          LinearFilter{{0.1, 0, 0.05, 0.2}, {1, -0.4, 0.1, -0.05}, true},
          LinearFilter{{1}, {1.6e-11, 3.2e-8, 2.4e-5, 8e-3, 1}, false},
          LinearFilter{{0.1, 0, 0.05, 0.2, 0.1}, {1, -0.4, 0.1, -0.05, 0.02}, true}};
}

}  // namespace spikeserve::testing
