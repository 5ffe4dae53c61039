#include "tests/bench/work.h"

#include <algorithm>
#include <array>
#include <utility>

namespace spikeserve::bench {
namespace {

// Neurons of the last spiking layer: their spikes go into the readout as counts and are never stored.
std::int64_t LastNeurons(const Chain& chain) {
  for (auto layer = chain.layers.rbegin(); layer != chain.layers.rend(); ++layer) {
    if (layer->spiking) {
      return layer->out_size();
    }
  }
  return 0;
}

}  // namespace

Work CountWork(const Chain& chain, std::int64_t steps, std::int64_t batch, std::int64_t synaptic_operations,
               std::int64_t spikes, std::int64_t input_bytes, std::int64_t weight_bytes) {
  Work work;
  work.macs = chain.layers.front().macs() + chain.layers.back().macs();
  work.neuron_steps = chain.neurons() * steps;
  // An engine that folds the readout makes one product of it: not an operation per spike. With one hidden
  // layer nothing is left; with more, the last layer's share is taken as its share of the neurons.
  const std::int64_t hidden = chain.neurons() - LastNeurons(chain);
  const double last_spikes = chain.neurons() == 0
                                 ? 0
                                 : static_cast<double>(spikes) * static_cast<double>(LastNeurons(chain)) /
                                       static_cast<double>(chain.neurons());
  const auto readout = static_cast<std::int64_t>(last_spikes * static_cast<double>(chain.out_size()));
  work.synaptic_operations = hidden == 0 ? 0 : std::max<std::int64_t>(0, synaptic_operations - readout);
  work.cache_bytes = work.synaptic_operations * weight_bytes + 2 * hidden * steps;
  const std::int64_t all = chain.weights() * weight_bytes;
  work.memory_bytes = chain.in_size() * input_bytes + (all > kCachedWeightBytes ? all / batch : 0);
  return work;
}

Floor FloorOf(const Work& work, const Ceilings& ceilings) {
  const auto seconds = [](double amount, double rate) { return rate > 0 ? amount / rate : 0; };
  const std::array<Floor, 5> floors{{
      {seconds(static_cast<double>(work.macs), ceilings.fma), "multiply-add"},
      {seconds(static_cast<double>(work.neuron_steps) * kScanOperations, ceilings.fma), "neuron scan"},
      {seconds(static_cast<double>(work.synaptic_operations), ceilings.integer_add), "integer add"},
      {seconds(static_cast<double>(work.cache_bytes), ceilings.l2), "L2 bandwidth"},
      {seconds(static_cast<double>(work.memory_bytes), ceilings.dram), "memory bandwidth"},
  }};
  return *std::max_element(floors.begin(), floors.end(),
                           [](const Floor& a, const Floor& b) { return a.seconds < b.seconds; });
}

}  // namespace spikeserve::bench
