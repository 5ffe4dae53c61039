#pragma once

#include <cstdint>
#include <optional>

#include "kernels/math/rate.h"
#include "kernels/math/spiking.h"
#include "server/engine/network/network_definition.h"
#include "server/engine/run/simulation.h"

namespace spikeserve::engine {

// A neuron model at one dt, as the kernels of exact and fast mode take it. A rate model has a `rate` alone, a
// spiking one its `spikes`, of a current or of the `rate` before them. Without a model, or
// with memory: neither.
struct NeuronConstants {
  std::optional<math::rate::Function> rate;
  std::optional<math::spiking::Function> spikes;
  bool remembers = false;  // steps in integers, by MemoryConstants
  bool is_signed = false;  // may emit negative counts by its definition
};

NeuronConstants MakeNeuronConstants(const NeuronModel& model, double dt_s);

// What the kernels want a current multiplied by: dt where they integrate it, else 1.
double CurrentUnit(const NeuronModel& model, double dt_s);

// Draws of the random types of an operation at a step, counted from 0, of the sample at this place of a
// request.
math::DrawSite DrawsOf(const SimulationSpec& spec, std::int64_t sample, std::int64_t operation,
                       std::int64_t step);

}  // namespace spikeserve::engine
