#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "tests/bench/ceilings.h"
#include "tests/bench/chain.h"

namespace spikeserve::bench {

// What one inference cannot do without, however it is computed in exact arithmetic without a dense product
// per step: the counts behind "binding resource" and "achieved".
struct Work {
  std::int64_t macs = 0;                 // float ones: of the first and the last product, once per sample
  std::int64_t byte_products = 0;        // of two digits each, of weights and of counts
  std::int64_t neuron_steps = 0;         // neurons times steps, taken or not
  std::int64_t scanned = 0;              // of them, those that must be computed
  std::int64_t synaptic_operations = 0;  // spikes times the weights they reach, the readout's left out
  std::int64_t cache_bytes = 0;          // weights that spikes read, spike counts written and read
  std::int64_t memory_bytes = 0;         // input, and the share of the weights where caches cannot hold them
};

// `synaptic_operations`: measured, per inference, of all layers. `input_bytes`: of one value. `weight_bytes`:
// of a weight that spikes meet, 4 in exact mode and 2 in fast mode.
Work CountWork(const Chain& chain, std::int64_t steps, std::int64_t batch, std::int64_t synaptic_operations,
               std::int64_t spikes, std::int64_t input_bytes, std::int64_t weight_bytes);

// The same of neurons with memory, whose steps are not taken: one product of digits per layer. `largest`: the
// most spikes that a neuron of each spiking layer has sent. `weight_digits`: of weights that spikes meet;
// bytes of an input meet three.
Work CountClosedWork(const Chain& chain, std::int64_t steps, std::int64_t batch,
                     std::span<const std::int64_t> largest, std::int64_t input_bytes,
                     std::int64_t weight_digits);

struct Floor {
  double seconds = 0;    // per inference, by the resource that binds
  std::string resource;  // its name
};
Floor FloorOf(const Work& work, const Ceilings& ceilings);

// Vector instructions per neuron and step of filter-free integrate-and-fire: add, add, floor, max, subtract,
// narrow, store.
constexpr double kScanOperations = 7;
// Weights that stay in the caches between samples: more are read from memory once per run.
constexpr std::int64_t kCachedWeightBytes = std::int64_t{16} << 20;

}  // namespace spikeserve::bench
