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

// A*max(J, 0).
SPIKESERVE_HOST_DEVICE float RectifiedLinearRate(float current, float amplitude) {
  return amplitude * (current <= 0.0F ? 0.0F : current);
}

}  // namespace spikeserve::math
