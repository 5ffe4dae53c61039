#pragma once

#include <cstdint>
#include <optional>

#include "kernels/math/neuron_models.h"
#include "server/engine/network/network_definition.h"
#include "server/engine/run/simulation.h"

namespace spikeserve::engine {

// A neuron model at one dt, as the kernels of exact and fast mode take it. A rate model has a `rate` alone, a
// spiking one its `current` model, or a `rate` and a `rule` that makes spikes of it.
struct NeuronConstants {
  std::optional<kernels::RateFunction> rate;
  std::optional<kernels::SpikingRule> rule;
  kernels::CurrentModel current;
  float dt_s = 0;
  bool has_second = false;  // which states the model has, beside a voltage
  bool has_third = false;
  bool is_signed = false;  // may emit negative counts by its definition
};

NeuronConstants MakeNeuronConstants(const NeuronModel& model, double dt_s);

// What the kernels want a current multiplied by: dt where they integrate it, else 1.
double CurrentUnit(const NeuronModel& model, double dt_s);

// Draws of the random types of an operation at a step, counted from 0, of the sample at this place of a
// request.
kernels::StepDraws DrawsOf(const SimulationSpec& spec, std::int64_t sample, std::int64_t operation,
                           std::int64_t step);

}  // namespace spikeserve::engine
