#pragma once

#include <cstdint>
#include <variant>

#include "kernels/math/neuron.h"
#include "kernels/math/random.h"
#include "kernels/math/rate.h"

// Every neuron type at one dt, as the loops take it.
namespace spikeserve::kernels {

using RateFunction =
    std::variant<math::rate::RectifiedLinear, math::rate::LeakyRectifiedLinear, math::rate::Sigmoid,
                 math::rate::Tanh, math::rate::Lif, math::rate::SoftLif, math::rate::AdaptiveLif>;

// Spiking types that take a current; for the first four J*dt, in units of voltage per step.
struct SpikingRectifiedLinear {};
struct IntegrateAndFire {};
struct BoundedIntegrateAndFire {
  float min_voltage = 0;
};
struct SpikingLeakyRectifiedLinear {
  float negative_slope = 0;
};
using CurrentModel = std::variant<SpikingRectifiedLinear, IntegrateAndFire, BoundedIntegrateAndFire,
                                  SpikingLeakyRectifiedLinear, math::LifConstants, math::AdaptiveLifConstants,
                                  math::IzhikevichConstants>;

// How the output of a rate function becomes spikes.
enum class SpikingRule { kRegular, kStochastic, kPoisson };

// Where the draws of a step come from.
struct StepDraws {
  math::RandomStream stream;
  std::uint32_t step = 0;
};

}  // namespace spikeserve::kernels
