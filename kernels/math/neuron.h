#pragma once

#include <cmath>

#include "kernels/math/annotations.h"
#include "kernels/math/elementary.h"

// One step of each neuron type, in float32, built without contraction. Definitions: Nengo's neuron types
// (Bekolay et al., "Nengo: a Python tool for building large-scale functional brain models", 2014), restated
// in docs/semantics.md. A current that is not a number makes voltage and count not numbers.
namespace spikeserve::math {

// v += max(c, 0); n = floor(v); v -= n, with c = J*dt. Returns n, which may exceed 1.
SPIKESERVE_HOST_DEVICE float StepSpikingRectifiedLinear(float c, float& v) {
  v = v + (c <= 0.0F ? 0.0F : c);
  const float n = floorf(v);
  v = v - n;
  return n;
}

// v += c; n = max(floor(v), 0); v -= n, with c = J*dt of either sign.
SPIKESERVE_HOST_DEVICE float StepIntegrateAndFire(float c, float& v) {
  v = v + c;
  const float whole = floorf(v);
  const float n = whole <= 0.0F ? 0.0F : whole;
  v = v - n;
  return n;
}

// The same with a lower bound of the voltage, <= 0.
SPIKESERVE_HOST_DEVICE float StepBoundedIntegrateAndFire(float c, float min_voltage, float& v) {
  const float n = StepIntegrateAndFire(c, v);
  v = v < min_voltage ? min_voltage : v;
  return n;
}

// v += c above 0, k*c below; n = trunc(v), which may be negative; v -= n, with c = J*dt.
SPIKESERVE_HOST_DEVICE float StepSpikingLeakyRectifiedLinear(float c, float negative_slope, float& v) {
  v = v + (c <= 0.0F ? negative_slope * c : c);
  const float n = v < 0.0F ? ceilf(v) : floorf(v);
  v = v - n;
  return n;
}

// Constants of a LIF population at one dt. Times are in steps, so that dt drops out.
struct LifConstants {
  float dt_over_tau_rc;
  float tau_rc_over_dt;
  float tau_ref_over_dt;
  float min_voltage;
};

// v relaxes to J during the part of the step that is not refractory. A spike (v > 1) resets v to 0 and
// starts a refractory time that is shortened by the time since the crossing. Returns 0 or 1.
// `refractory` counts the steps that remain.
SPIKESERVE_HOST_DEVICE float StepLif(float current, const LifConstants& lif, float& v, float& refractory) {
  const float open = 1.0F - refractory;
  const float active = open < 0.0F ? 0.0F : (open > 1.0F ? 1.0F : open);
  v = fmaf(v - current, Expm1(-active * lif.dt_over_tau_rc), v);
  if (v > 1.0F) {
    // current > 1 here, unless an initial voltage lay above the threshold: then the crossing is now.
    const float since = current > v ? Log1p((1.0F - v) / (current - 1.0F)) : 0.0F;
    refractory = fmaf(lif.tau_rc_over_dt, since, lif.tau_ref_over_dt);
    v = 0.0F;
    return 1.0F;
  }
  const float remaining = refractory - 1.0F;
  refractory = remaining > 0.0F ? remaining : 0.0F;
  v = v > lif.min_voltage ? v : lif.min_voltage;
  return 0.0F;
}

// Constants of an AdaptiveLif population.
struct AdaptiveLifConstants {
  LifConstants lif;
  float dt_over_tau_n;
  float spike_increment;  // inc_n * amplitude / dt
};

// LIF of J - a; the adaptation a then follows the output.
SPIKESERVE_HOST_DEVICE float StepAdaptiveLif(float current, const AdaptiveLifConstants& c, float& v,
                                             float& refractory, float& adaptation) {
  const float n = StepLif(current - adaptation, c.lif, v, refractory);
  adaptation = fmaf(c.dt_over_tau_n, fmaf(c.spike_increment, n, -adaptation), adaptation);
  return n;
}

// Constants of an Izhikevich population: v and u in mV, time in ms.
struct IzhikevichConstants {
  float dt_ms;
  float recovery_dt_ms;  // tau_recovery * dt_ms
  float coupling;
  float reset_voltage;
  float reset_recovery;
};

// v' = 0.04 v^2 + 5 v + 140 - u + max(J, -30); at v >= 30 a spike. Then u' = tau_recovery (coupling v - u).
SPIKESERVE_HOST_DEVICE float StepIzhikevich(float current, const IzhikevichConstants& c, float& v, float& u) {
  const float j = current < -30.0F ? -30.0F : current;
  const float slope = fmaf(fmaf(0.04F, v, 5.0F), v, 140.0F - u + j);
  v = fmaf(slope, c.dt_ms, v);
  const bool spike = v >= 30.0F;
  v = spike ? c.reset_voltage : v;
  u = fmaf(c.recovery_dt_ms, fmaf(c.coupling, v, -u), u);
  u = spike ? u + c.reset_recovery : u;
  return spike ? 1.0F : v - v;  // not a number where the voltage is none
}

// v += R*dt; n = floor(v), which may be negative; v -= n.
SPIKESERVE_HOST_DEVICE float StepRegularSpiking(float rate, float dt_s, float& v) {
  v = fmaf(rate, dt_s, v);
  const float n = floorf(v);
  v = v - n;
  return n;
}

// A*max(J, 0).
SPIKESERVE_HOST_DEVICE float RectifiedLinearRate(float current, float amplitude) {
  return amplitude * (current <= 0.0F ? 0.0F : current);
}

}  // namespace spikeserve::math
