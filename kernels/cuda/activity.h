#pragma once

#include <cstdint>

#include "kernels/math/annotations.h"

// What the neurons of a layer did, summed up per sample.
namespace spikeserve::cuda {

struct ActivitySum {
  std::int64_t spikes = 0;
  std::int64_t busiest = 0;  // spikes of the busiest neuron
  std::int64_t silent = 0;   // neurons without a spike
  std::int64_t synaptic_operations = 0;
};

struct Activity {
  std::int64_t samples = 0, size = 0;
  const std::int64_t* spikes = nullptr;   // [samples][size]
  const std::int64_t* fan_out = nullptr;  // [size]
  ActivitySum* sums = nullptr;            // [samples]
};

SPIKESERVE_HOST_DEVICE ActivitySum ActivityOf(std::int64_t spikes, std::int64_t fan_out) {
  return {spikes, spikes, spikes == 0 ? 1 : 0, spikes * fan_out};
}

SPIKESERVE_HOST_DEVICE ActivitySum Combine(const ActivitySum& a, const ActivitySum& b) {
  return {a.spikes + b.spikes, a.busiest > b.busiest ? a.busiest : b.busiest, a.silent + b.silent,
          a.synaptic_operations + b.synaptic_operations};
}

// The share of thread `lane` of `lanes` in one sample; shares are combined in any order.
SPIKESERVE_HOST_DEVICE ActivitySum ActivityShare(const Activity& activity, std::int64_t sample,
                                                 std::int64_t lane, std::int64_t lanes) {
  ActivitySum sum;
  for (std::int64_t j = lane; j < activity.size; j += lanes) {
    sum = Combine(sum, ActivityOf(activity.spikes[sample * activity.size + j], activity.fan_out[j]));
  }
  return sum;
}

}  // namespace spikeserve::cuda
