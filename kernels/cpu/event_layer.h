#pragma once

#include <cstdint>
#include <span>

#include "kernels/cpu/event_list.h"
#include "kernels/cpu/packed_weights.h"

// A layer over many steps, driven by spikes: integer rows of weights are added for the spikes of each step,
// and filter, membrane and emission follow while sums and state are in registers. Every number is that of
// product.h, population.h and fold.h, operation by operation, so that both give the same bits.
namespace spikeserve::kernels {

// Outputs of a block of PackedWeights<std::int32_t>. The vector length of this machine decides.
std::int64_t EventBlockWidth();
constexpr std::int64_t kMaxEventBlockWidth = 128;

constexpr std::size_t kMaxEventTerms = 4;

// Bytes that must be readable behind the last spike count of a buffer.
constexpr std::int64_t kCountPadding = 64;

// What one source adds to a block: a current that does not change, or spikes through weights.
struct EventTerm {
  const float* constant = nullptr;        // [width]; null: the next fields say what
  const std::int32_t* weights = nullptr;  // [row][padded width]
  std::span<const CellRange> ranges;
  const EventList* events = nullptr;  // of the source, at least `steps` steps
  const float* scale = nullptr;       // [width]
  bool filtered = false;              // behind the weights, with one step of delay
  float decay = 0;
  float* filter = nullptr;  // [width], state
};

// State of the two filters of a weighted mean of the spikes (fold.h).
struct EventFold {
  bool synapse = false, probe_synapse = false;
  float synapse_decay = 0, synapse_gain = 1, probe_decay = 0, probe_gain = 1;
  float* filtered = nullptr;  // [width], where synapse
  float* probed = nullptr;    // [width], where probe_synapse
  float* last = nullptr;      // [width]: what the last step gave
};

enum class EventNeuron { kSpikingRectifiedLinear, kIntegrateAndFire };

// A block of neurons over `steps` steps.
struct EventBlock {
  std::int64_t steps = 0;
  std::int64_t width = 0;  // neurons, at most EventBlockWidth()
  EventNeuron neuron = EventNeuron::kIntegrateAndFire;
  std::span<const EventTerm> terms;  // at most kMaxEventTerms
  const float* bias = nullptr;       // [width]
  float* voltage = nullptr;          // [width], state
  std::int64_t* spikes = nullptr;    // [width]: increased by what each neuron emitted
  std::uint8_t* counts = nullptr;    // [steps][stride], or null where nobody reads them
  std::int64_t stride = 0;
  const EventFold* fold = nullptr;
};

struct EventResult {
  std::int32_t largest = 0;  // no neuron emitted more in a step
  bool narrow = true;        // false: a count may not fit a byte; state and outputs are spoilt
};

// Sums must fit an int32: the caller has checked the largest count times the row sums.
EventResult RunEventBlock(const EventBlock& block);

}  // namespace spikeserve::kernels
