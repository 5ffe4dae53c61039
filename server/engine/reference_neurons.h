#pragma once

#include "server/engine/network_definition.h"

namespace spikeserve::engine {

// One step of one neuron in float64, by Nengo's definitions (docs/semantics.md).
struct ReferenceNeuron {
  double voltage = 0;
  double refractory = 0;  // seconds left
};

// What the neuron emitted: spikes per step, or for a rate neuron its output.
double StepReference(const NeuronModel& model, double current, double dt_s, ReferenceNeuron& neuron);

bool IsSpiking(const NeuronModel& model);

// Output of one spike or of one unit of rate: amplitude / dt, amplitude.
double OutputUnit(const NeuronModel& model, double dt_s);

}  // namespace spikeserve::engine
