#pragma once

#include <cmath>

#include "kernels/math/annotations.h"

// The readout recurrence: filters and sums over time of what one element emits. With N(t) the sum of u up to
// t, the sum of g is N - f and the sum of h is N - f - p: each filter leaves out what it still holds, so no
// filtered sum has to be kept.
namespace spikeserve::math {

// The filters between a source and an answer; a filter that is absent passes its input on at once.
struct FoldFilters {
  bool synapse = false;        // of the connection: g(t) = (1-a) f(t-1), f(t) = a f(t-1) + u(t)
  float synapse_decay = 0;     // a
  float synapse_gain = 1;      // 1-a
  bool probe_synapse = false;  // of the probe: h(t) = (1-b) p(t-1), p(t) = b p(t-1) + g(t)
  float probe_decay = 0;       // b
  float probe_gain = 1;        // 1-b
};

// One step of u through both filters, which hold f and p. Returns h.
SPIKESERVE_HOST_DEVICE float FilterFold(const FoldFilters& filters, float u, float& f, float& p) {
  float g = u;
  if (filters.synapse) {
    g = filters.synapse_gain * f;
    f = fmaf(filters.synapse_decay, f, u);
  }
  float h = g;
  if (filters.probe_synapse) {
    h = filters.probe_gain * p;
    p = fmaf(filters.probe_decay, p, g);
  }
  return h;
}

// The sum of h over all steps, from the sum of u and what the filters hold.
SPIKESERVE_HOST_DEVICE double FoldSum(const FoldFilters& filters, double total, float f, float p) {
  double sum = total;
  if (filters.synapse) {
    sum -= static_cast<double>(f);
  }
  if (filters.probe_synapse) {
    sum -= static_cast<double>(p);
  }
  return sum;
}

}  // namespace spikeserve::math
