#include "server/engine/run/activity.h"

#include <algorithm>
#include <limits>

namespace spikeserve::engine {
namespace {

std::int64_t Furthest(bool negative) {
  return negative ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
}

}  // namespace

std::int64_t SaturatingAdd(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? Furthest(a < 0) : sum;
}

std::int64_t SaturatingMultiply(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? Furthest((a < 0) != (b < 0)) : product;
}

LayerActivity Summarise(std::span<const std::int64_t> spikes, std::span<const std::int64_t> fan_out) {
  LayerActivity activity;
  for (std::size_t j = 0; j < spikes.size(); ++j) {
    activity.spikes = SaturatingAdd(activity.spikes, spikes[j]);
    activity.busiest_neuron_spikes = std::max(activity.busiest_neuron_spikes, spikes[j]);
    activity.silent_neurons += spikes[j] == 0 ? 1 : 0;
    activity.synaptic_operations =
        SaturatingAdd(activity.synaptic_operations, SaturatingMultiply(spikes[j], fan_out[j]));
  }
  return activity;
}

}  // namespace spikeserve::engine
