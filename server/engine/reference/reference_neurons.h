#pragma once

#include "kernels/math/neuron.h"
#include "server/engine/network/network_definition.h"

namespace spikeserve::engine {

// What a neuron keeps from step to step; `refractory` in seconds.
using ReferenceNeuron = math::PerState<double>;

// What one step of one neuron has to know beside its state.
struct ReferenceStep {
  double current = 0;
  double dt_s = 0;
  math::DrawSite site;  // of the random types
};

// One step in float64, by Nengo's definitions (docs/semantics.md): spikes per step, or for a rate neuron its
// output.
double StepReference(const NeuronModel& model, const ReferenceStep& step, ReferenceNeuron& neuron);

// Output of one unit of what StepReference gives: amplitude / dt, or 1 for a rate neuron.
double OutputUnit(const NeuronModel& model, double dt_s);

}  // namespace spikeserve::engine
