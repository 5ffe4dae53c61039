#pragma once

#include <cmath>
#include <variant>

#include "kernels/math/annotations.h"
#include "kernels/math/elementary.h"
#include "kernels/math/neuron.h"

// Rate neurons: one functor per type, from the current J to the output. A current that is not a number gives
// an output that is not.
namespace spikeserve::math::rate {

// A*max(J, 0).
struct RectifiedLinear {
  static constexpr PerState<bool> kStates = {};

  float amplitude = 1;

  SPIKESERVE_HOST_DEVICE float operator()(float current) const {
    return amplitude * (current <= 0.0F ? 0.0F : current);
  }
};

// A*J above 0, A*k*J below.
struct LeakyRectifiedLinear {
  static constexpr PerState<bool> kStates = {};

  float amplitude = 1;
  float negative_amplitude = 0;  // A*k

  SPIKESERVE_HOST_DEVICE float operator()(float current) const {
    return (current <= 0.0F ? negative_amplitude : amplitude) * current;
  }
};

// M/(1 + e^-J), with the exponential of a number that is not positive.
struct Sigmoid {
  static constexpr PerState<bool> kStates = {};

  float max_rate = 1;

  SPIKESERVE_HOST_DEVICE float operator()(float current) const {
    const float e = Exp(-fabsf(current));
    return max_rate * ((current < 0.0F ? e : 1.0F) / (1.0F + e));
  }
};

// M*tanh(J) = M*sign(J)*(1 - e^-2|J|)/(1 + e^-2|J|).
struct Tanh {
  static constexpr PerState<bool> kStates = {};

  float max_rate = 1;

  SPIKESERVE_HOST_DEVICE float operator()(float current) const {
    const float m = Expm1(-2.0F * fabsf(current));
    const float magnitude = max_rate * (-m / (2.0F + m));
    return current < 0.0F ? -magnitude : magnitude;
  }
};

// A/(tau_ref + tau_rc*log1p(1/(J-1))) above J = 1, else 0.
struct Lif {
  static constexpr PerState<bool> kStates = {};

  float amplitude = 1;
  float tau_rc = 0;   // s
  float tau_ref = 0;  // s

  SPIKESERVE_HOST_DEVICE float operator()(float current) const {
    const float excess = current - 1.0F;
    const float above = excess <= 0.0F ? 1.0F : excess;
    const float rate = amplitude / fmaf(tau_rc, Log1p(1.0F / above), tau_ref);
    return excess <= 0.0F ? 0.0F : rate;
  }
};

// The same with sigma*softplus((J-1)/sigma) for J-1. Far below the threshold log1p(1/z) is taken from
// softplus(x) ~ e^x.
struct SoftLif {
  static constexpr PerState<bool> kStates = {};

  float amplitude = 1;
  float tau_rc = 0;   // s
  float tau_ref = 0;  // s
  float sigma = 1;
  float inverse_sigma = 1;
  float log_sigma = 0;

  SPIKESERVE_HOST_DEVICE float operator()(float current) const {
    const float x = (current - 1.0F) * inverse_sigma;
    const float softplus = (x < 0.0F ? 0.0F : x) + Log1p(Exp(-fabsf(x)));
    const float near = Log1p(1.0F / (sigma * softplus));
    const float q = x <= -20.0F ? -x - log_sigma : near;
    return amplitude / fmaf(tau_rc, q, tau_ref);
  }
};

// Lif of J - a, whose adaptation a follows the output: a += dt/tau_n*(inc_n*y - a).
struct AdaptiveLif {
  static constexpr PerState<bool> kStates = {.adaptation = true};

  Lif lif;
  float dt_over_tau_n = 0;
  float inc_n = 0;

  SPIKESERVE_HOST_DEVICE float operator()(float current, NeuronState& state) const {
    const float a = state.adaptation;
    const float output = lif(current - a);
    state.adaptation = fmaf(dt_over_tau_n, fmaf(inc_n, output, -a), a);
    return output;
  }
};

// Every type: what the loops of the CPU and the kernels of CUDA are instantiated for.
using Function =
    std::variant<RectifiedLinear, LeakyRectifiedLinear, Sigmoid, Tanh, Lif, SoftLif, AdaptiveLif>;

}  // namespace spikeserve::math::rate
