#pragma once

#include <cmath>
#include <variant>

#include "kernels/math/annotations.h"
#include "kernels/math/elementary.h"
#include "kernels/math/neuron.h"
#include "kernels/math/random.h"

// Spiking neurons: one functor per type, from its input to the spikes of the step, an integer as a float. An
// input that is not a number makes voltage and count not numbers.
namespace spikeserve::math {

// What a spiking neuron takes: J*dt, the current J, or the output in Hz that a rate neuron has for it.
enum class StepInput { kCharge, kCurrent, kRate };

// A type that emits spikes says in kSigned whether it may emit negative counts by its definition: each of
// them is a spike.
template <typename Neuron>
concept EmitsSpikes = requires { Neuron::kSigned; };

// A type whose steps are v += Charge(c); n = floor(v); v -= n while v + Charge(c) >= 0: constant charges can
// be counted in closed form (constant_charge.h).
template <typename Neuron>
concept AddsCharges = requires { Neuron::Charge(0.0F); };

}  // namespace spikeserve::math

namespace spikeserve::math::spiking {

// v += max(c, 0); n = floor(v); v -= n, with c = J*dt. n may exceed 1.
struct RectifiedLinear {
  static constexpr StepInput kInput = StepInput::kCharge;
  static constexpr bool kSigned = false;
  static constexpr PerState<bool> kStates = {.voltage = true};

  static SPIKESERVE_HOST_DEVICE float Charge(float c) { return c <= 0.0F ? 0.0F : c; }

  SPIKESERVE_HOST_DEVICE float operator()(float c, NeuronState& state) const {
    const float v = state.voltage + Charge(c);
    const float n = floorf(v);
    state.voltage = v - n;
    return n;
  }
};

// v += c; n = max(floor(v), 0); v -= n, with c = J*dt of either sign.
struct IntegrateAndFire {
  static constexpr StepInput kInput = StepInput::kCharge;
  static constexpr bool kSigned = false;
  static constexpr PerState<bool> kStates = {.voltage = true};

  static SPIKESERVE_HOST_DEVICE float Charge(float c) { return c; }

  SPIKESERVE_HOST_DEVICE float operator()(float c, NeuronState& state) const {
    const float v = state.voltage + Charge(c);
    const float whole = floorf(v);
    const float n = whole <= 0.0F ? 0.0F : whole;
    state.voltage = v - n;
    return n;
  }
};

// The same with a lower bound of the voltage, <= 0.
struct BoundedIntegrateAndFire {
  static constexpr StepInput kInput = StepInput::kCharge;
  static constexpr bool kSigned = false;
  static constexpr PerState<bool> kStates = {.voltage = true};

  float min_voltage = 0;

  SPIKESERVE_HOST_DEVICE float operator()(float c, NeuronState& state) const {
    const float n = IntegrateAndFire{}(c, state);
    state.voltage = state.voltage < min_voltage ? min_voltage : state.voltage;
    return n;
  }
};

// v += c above 0, k*c below; n = trunc(v), which may be negative; v -= n, with c = J*dt.
struct LeakyRectifiedLinear {
  static constexpr StepInput kInput = StepInput::kCharge;
  static constexpr bool kSigned = true;
  static constexpr PerState<bool> kStates = {.voltage = true};

  float negative_slope = 0;  // k

  SPIKESERVE_HOST_DEVICE float operator()(float c, NeuronState& state) const {
    const float v = state.voltage + (c <= 0.0F ? negative_slope * c : c);
    const float n = v < 0.0F ? ceilf(v) : floorf(v);
    state.voltage = v - n;
    return n;
  }
};

// With memory: steps in integers, see memory.h. No member of Function.
struct MemoryRectifiedLinear {
  static constexpr StepInput kInput = StepInput::kCharge;
  static constexpr bool kSigned = true;
  static constexpr PerState<bool> kStates = {.voltage = true};
};

// v relaxes to J during the part of the step that is not refractory. A spike (v > 1) resets v to 0 and
// starts a refractory time that is shortened by the time since the crossing. 0 or 1 spike. Times are in
// steps, so that dt drops out.
struct Lif {
  static constexpr StepInput kInput = StepInput::kCurrent;
  static constexpr bool kSigned = false;
  static constexpr PerState<bool> kStates = {.voltage = true, .refractory = true};

  float dt_over_tau_rc = 0;
  float tau_rc_over_dt = 0;
  float tau_ref_over_dt = 0;
  float min_voltage = 0;

  SPIKESERVE_HOST_DEVICE float operator()(float current, NeuronState& state) const {
    float v = state.voltage;
    const float open = 1.0F - state.refractory;
    const float active = open < 0.0F ? 0.0F : (open > 1.0F ? 1.0F : open);
    v = fmaf(v - current, Expm1(-active * dt_over_tau_rc), v);
    if (v > 1.0F) {
      // current > 1 here, unless an initial voltage lay above the threshold: then the crossing is now.
      const float since = current > v ? Log1p((1.0F - v) / (current - 1.0F)) : 0.0F;
      state.refractory = fmaf(tau_rc_over_dt, since, tau_ref_over_dt);
      state.voltage = 0.0F;
      return 1.0F;
    }
    const float remaining = state.refractory - 1.0F;
    state.refractory = remaining > 0.0F ? remaining : 0.0F;
    state.voltage = v > min_voltage ? v : min_voltage;
    return 0.0F;
  }
};

// LIF of J - a; the adaptation a then follows the output.
struct AdaptiveLif {
  static constexpr StepInput kInput = StepInput::kCurrent;
  static constexpr bool kSigned = false;
  static constexpr PerState<bool> kStates = {.voltage = true, .refractory = true, .adaptation = true};

  Lif lif;
  float dt_over_tau_n = 0;
  float spike_increment = 0;  // inc_n * amplitude / dt

  SPIKESERVE_HOST_DEVICE float operator()(float current, NeuronState& state) const {
    const float a = state.adaptation;
    const float n = lif(current - a, state);
    state.adaptation = fmaf(dt_over_tau_n, fmaf(spike_increment, n, -a), a);
    return n;
  }
};

// v' = 0.04 v^2 + 5 v + 140 - u + max(J, -30); at v >= 30 a spike. Then u' = tau_recovery (coupling v - u).
// v and u in mV, time in ms.
struct Izhikevich {
  static constexpr StepInput kInput = StepInput::kCurrent;
  static constexpr bool kSigned = false;
  static constexpr PerState<bool> kStates = {.voltage = true, .recovery = true};

  float dt_ms = 0;
  float recovery_dt_ms = 0;  // tau_recovery * dt_ms
  float coupling = 0;
  float reset_voltage = 0;
  float reset_recovery = 0;

  SPIKESERVE_HOST_DEVICE float operator()(float current, NeuronState& state) const {
    float v = state.voltage;
    float u = state.recovery;
    const float j = current < -30.0F ? -30.0F : current;
    const float slope = fmaf(fmaf(0.04F, v, 5.0F), v, 140.0F - u + j);
    v = fmaf(slope, dt_ms, v);
    const bool spike = v >= 30.0F;
    v = spike ? reset_voltage : v;
    u = fmaf(recovery_dt_ms, fmaf(coupling, v, -u), u);
    state.voltage = v;
    state.recovery = spike ? u + reset_recovery : u;
    return spike ? 1.0F : v - v;  // not a number where the voltage is none
  }
};

// v += R*dt; n = floor(v), which may be negative; v -= n.
struct Regular {
  static constexpr StepInput kInput = StepInput::kRate;
  static constexpr bool kSigned = true;
  static constexpr PerState<bool> kStates = {.voltage = true};

  float dt_s = 0;

  SPIKESERVE_HOST_DEVICE float operator()(float rate, NeuronState& state) const {
    const float v = fmaf(rate, dt_s, state.voltage);
    const float n = floorf(v);
    state.voltage = v - n;
    return n;
  }
};

// |R|*dt spikes in the direction of the rate; what is left over a whole number by chance.
struct Stochastic {
  static constexpr StepInput kInput = StepInput::kRate;
  static constexpr bool kSigned = true;
  static constexpr PerState<bool> kStates = {};

  float dt_s = 0;

  SPIKESERVE_HOST_DEVICE float operator()(float rate, NeuronState&, const DrawSite& site) const {
    const double mean = static_cast<double>(fabsf(rate)) * static_cast<double>(dt_s);
    const auto count = static_cast<float>(StochasticCount(mean, site.stream, site.neuron, site.step));
    return rate < 0.0F ? -count : count;
  }
};

// The same, Poisson distributed.
struct Poisson {
  static constexpr StepInput kInput = StepInput::kRate;
  static constexpr bool kSigned = true;
  static constexpr PerState<bool> kStates = {};

  float dt_s = 0;

  SPIKESERVE_HOST_DEVICE float operator()(float rate, NeuronState&, const DrawSite& site) const {
    const double mean = static_cast<double>(fabsf(rate)) * static_cast<double>(dt_s);
    const auto count = static_cast<float>(PoissonCount(mean, site.stream, site.neuron, site.step));
    return rate < 0.0F ? -count : count;
  }
};

// Every type that steps in float32: what the loops of the CPU and the kernels of CUDA are instantiated for.
using Function =
    std::variant<RectifiedLinear, IntegrateAndFire, BoundedIntegrateAndFire, LeakyRectifiedLinear, Lif,
                 AdaptiveLif, Izhikevich, Regular, Stochastic, Poisson>;

}  // namespace spikeserve::math::spiking
