#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "server/engine/run/layer_use.h"

namespace spikeserve::engine {

// Where a term of a layer in closed form has what its source has brought by a step.
enum class ChargeSource {
  kSteps,   // every step was added to what the layer has received
  kHeld,    // the same in every step
  kTotals,  // in the sum of all spikes that the source has sent, or of all bytes
  kClosed,  // in what a layer in closed form has sent
};

// A layer with memory that nobody wants every step of: what it has sent is computed where it is asked for, of
// what it has received by then, whatever the number of steps.
struct ClosedLayer {
  // How long before the step that is asked about its spikes are wanted, ascending, 0 first; none: it is
  // stepped.
  std::vector<std::int64_t> ages;
  std::vector<ChargeSource> sources;  // [term]

  // Of an age in `ages`.
  std::size_t Place(std::int64_t age) const {
    return static_cast<std::size_t>(std::find(ages.begin(), ages.end(), age) - ages.begin());
  }
  bool closed() const { return !ages.empty(); }
};

// [layer]: who is run in closed form. Steps are taken upstream of what lives on them: other neurons, filters,
// probes of every step, sessions.
std::vector<ClosedLayer> PlanClosedForm(const LayerUse& use);

}  // namespace spikeserve::engine
