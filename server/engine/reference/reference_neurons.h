#pragma once

#include <span>

#include "kernels/math/neuron.h"
#include "server/engine/network/network_definition.h"

namespace spikeserve::engine {

// What a neuron keeps from step to step; `refractory` in seconds.
struct ReferenceNeuron : math::PerState<double> {
  double start = 0;               // the initial voltage
  double received = 0, sent = 0;  // all charge and all spikes so far, of neurons with memory
};

// What one step of one neuron has to know beside its state.
struct ReferenceStep {
  double current = 0;
  double dt_s = 0;
  double gain = 1;  // of the neuron
  double output_scale = 1;
  math::DrawSite site;  // of the random types
};

// One step in float64, by Nengo's definitions (docs/semantics.md): spikes per step, or for a rate neuron its
// output.
double StepReference(const NeuronModel& model, const ReferenceStep& step, ReferenceNeuron& neuron);

// The same of a row of neurons, by a function of all their means: spikes of the step, of `current` [neuron].
void StepReferenceRow(const MemoryFunction& model, const ReferenceStep& step,
                      std::span<const double> output_scale, std::span<ReferenceNeuron> row,
                      std::span<double> current);

// Output of one unit of what StepReference gives: amplitude / dt, or 1 for a rate neuron.
double OutputUnit(const NeuronModel& model, double dt_s);

}  // namespace spikeserve::engine
