#include "tests/bench/work.h"

#include <algorithm>
#include <array>
#include <bit>
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

// Of 8 bits.
std::int64_t DigitsOf(std::int64_t count) {
  return (std::bit_width(static_cast<std::uint64_t>(count)) + 7) / 8;
}

}  // namespace

Work CountWork(const Chain& chain, std::int64_t steps, std::int64_t batch, std::int64_t synaptic_operations,
               std::int64_t spikes, std::int64_t input_bytes, std::int64_t weight_bytes) {
  Work work;
  work.macs = chain.layers.front().macs() + chain.layers.back().macs();
  work.neuron_steps = work.scanned = chain.neurons() * steps;
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

Work CountClosedWork(const Chain& chain, std::int64_t steps, std::int64_t batch,
                     std::span<const std::int64_t> largest, std::int64_t input_bytes,
                     std::int64_t weight_digits) {
  constexpr std::int64_t kInputDigits = 3;
  Work work;
  work.macs = chain.layers.back().macs();
  work.neuron_steps = chain.neurons() * steps;
  work.scanned = chain.neurons();
  std::int64_t most = 0;  // of a cell that a product reads; 0: it reads the input
  std::size_t spiking = 0;
  for (std::size_t l = 0; l + 1 < chain.layers.size(); ++l) {
    const ChainLayer& layer = chain.layers[l];
    if (layer.kind == ChainLayer::Kind::kPool) {
      most *= layer.kernel_height * layer.kernel_width;
    } else if (most == 0 && input_bytes > 1) {
      work.macs += layer.macs();
    } else {
      work.byte_products += layer.macs() * (most == 0 ? kInputDigits : weight_digits * DigitsOf(most));
    }
    most = layer.spiking ? std::max<std::int64_t>(largest[spiking++], 1) : most;
  }
  const std::int64_t all = chain.weights() * weight_digits;
  work.memory_bytes = chain.in_size() * input_bytes + (all > kCachedWeightBytes ? all / batch : 0);
  return work;
}

Floor FloorOf(const Work& work, const Ceilings& ceilings) {
  const auto seconds = [](double amount, double rate) { return rate > 0 ? amount / rate : 0; };
  const std::array<Floor, 6> floors{{
      {seconds(static_cast<double>(work.macs), ceilings.fma), "multiply-add"},
      {seconds(static_cast<double>(work.byte_products), ceilings.byte_products), "byte products"},
      {seconds(static_cast<double>(work.scanned) * kScanOperations, ceilings.fma), "neuron scan"},
      {seconds(static_cast<double>(work.synaptic_operations), ceilings.integer_add), "integer add"},
      {seconds(static_cast<double>(work.cache_bytes), ceilings.l2), "L2 bandwidth"},
      {seconds(static_cast<double>(work.memory_bytes), ceilings.dram), "memory bandwidth"},
  }};
  return *std::max_element(floors.begin(), floors.end(),
                           [](const Floor& a, const Floor& b) { return a.seconds < b.seconds; });
}

}  // namespace spikeserve::bench
