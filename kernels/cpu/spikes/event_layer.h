#pragma once

#include <cstdint>
#include <span>

#include "kernels/cpu/packed_weights.h"

// A layer over many steps: filter, membrane and emission of a block of neurons whose state stays in
// registers, on currents that are constant or given as sums of integer weights. Every number is that of
// product.h, kernels/math/spiking.h and kernels/math/fold.h, operation by operation, so that both give the
// same bits.
namespace spikeserve::kernels {

// Neurons of a full block, a multiple of kLaneUnit. The vector length of this machine decides.
std::int64_t EventBlockWidth();
constexpr std::int64_t kMaxEventBlockWidth = 128;

constexpr std::size_t kMaxEventTerms = 4;

// What one source adds to a block: a current that does not change, or sums of weights over spikes.
struct EventTerm {
  const float* constant = nullptr;     // [width]; null: the next two fields
  const std::int32_t* sums = nullptr;  // [steps][padded width]
  // Likewise, or null: the sums are then 2^16 * high + sums, of magnitude below 2^40, with sums >= 0.
  const std::int32_t* high = nullptr;
  const float* scale = nullptr;  // [width]
  bool filtered = false;         // behind the weights, with one step of delay
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

// Constant currents whose spikes are only counted are fastest in blocks of at most so many steps.
constexpr std::int64_t kMaxUncountedSteps = 1024;

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
  bool ends = false;  // nobody reads voltage or fold->last after these steps: they may be left as they are
};

struct EventResult {
  std::int32_t largest = 0;  // no neuron emitted more in a step
  bool narrow = true;        // false: a count may not fit a byte; state and outputs are spoilt
};

EventResult RunEventBlock(const EventBlock& block);

}  // namespace spikeserve::kernels
