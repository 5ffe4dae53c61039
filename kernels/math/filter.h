#pragma once

#include <cmath>

#include "kernels/math/annotations.h"

// One step of each synapse that has a state, for one element, built without contraction. A filter shows at
// each step what it held before the step: each function takes in u(n) and returns y(n-1). Definitions:
// Nengo's synapses, restated in docs/semantics.md.
namespace spikeserve::math {

// y = a y + gain u.
struct LowpassFilter {
  float decay = 0;
  float gain = 1;
};

SPIKESERVE_HOST_DEVICE float StepLowpass(const LowpassFilter& filter, float u, float& y) {
  const float shown = y;
  const float in = filter.gain * u;
  y = fmaf(filter.decay, shown, in);
  return shown;
}

// 1/(tau s + 1)^2 under zero-order hold: y = a y + state_weight s + input_weight u with the old s; then
// s = a s + gain u. In double: over hundreds of steps float32 would lose a millionth.
struct AlphaFilter {
  double decay = 0;
  double gain = 1;
  double state_weight = 0;
  double input_weight = 1;
};

SPIKESERVE_HOST_DEVICE float StepAlpha(const AlphaFilter& filter, float input, double& s, double& y) {
  const auto u = static_cast<double>(input);
  const auto shown = static_cast<float>(y);
  const double in = fma(filter.state_weight, s, filter.input_weight * u);
  y = fma(filter.decay, y, in);
  s = fma(filter.decay, s, filter.gain * u);
  return shown;
}

// y = sum of weights[i] u[n-i]: the oldest input that still counts comes first, then the newest to the
// second oldest.
SPIKESERVE_HOST_DEVICE float BeginFinite(float oldest_weight, float oldest) { return oldest_weight * oldest; }
SPIKESERVE_HOST_DEVICE float AddFinite(float weight, float u, float sum) { return fmaf(weight, u, sum); }

constexpr int kMaxFilterOrder = 4;

// X = A X + B u; y = C X with the new X where d is 0, else y = C X + d u with the old one. States in double:
// poles that lie close together near 1 would drown in float32's rounding.
struct StateFilter {
  int order = 0;  // 0..kMaxFilterOrder
  double a[kMaxFilterOrder][kMaxFilterOrder] = {};
  double b[kMaxFilterOrder] = {}, c[kMaxFilterOrder] = {};
  double d = 0;
};

// A filter of order kOrder takes its states from `old` to `next`; `y` is what it holds.
template <int kOrder>
SPIKESERVE_HOST_DEVICE float StepStates(const StateFilter& filter, float input,
                                        const double (&old)[kMaxFilterOrder], double (&next)[kMaxFilterOrder],
                                        float& y) {
  const auto u = static_cast<double>(input);
  const float shown = y;
  double sum = filter.d * u;
  for (int i = 0; i < kOrder; ++i) {
    sum = filter.d != 0 ? fma(filter.c[i], old[i], sum) : sum;
  }
  for (int i = 0; i < kOrder; ++i) {
    double state = filter.b[i] * u;
    for (int k = 0; k < kOrder; ++k) {
      state = fma(filter.a[i][k], old[k], state);
    }
    next[i] = state;
    sum = filter.d != 0 ? sum : fma(filter.c[i], state, sum);
  }
  y = static_cast<float>(sum);
  return shown;
}

}  // namespace spikeserve::math
