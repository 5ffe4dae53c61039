#pragma once

#include "kernels/math/neuron.h"
#include "server/engine/network/network_definition.h"

// What the traits of the model say that a neuron operation has (neuron_traits.h). Without a model: nothing.
namespace spikeserve::engine {

// The field of NeuronOperation.model; "unknown" without a model.
const char* NameOf(const NeuronModel& model);
// Emits integer spike counts; the others emit a real value.
bool IsSpiking(const NeuronModel& model);
// What a neuron keeps from step to step, that of its base included.
math::PerState<bool> StatesOf(const NeuronModel& model);
// Has a membrane voltage that an initial voltage can set and a probe can read.
bool HasVoltage(const NeuronModel& model);
// What an initial voltage may reach.
double MaxInitialVoltage(const NeuronModel& model);
// Draws random numbers.
bool IsRandom(const NeuronModel& model);
// May emit negative counts by its definition.
bool IsSigned(const NeuronModel& model);
// What it has sent is a function of all that it has received: MemoryRectifiedLinear.
bool Remembers(const NeuronModel& model);
// Takes J*dt, the others J.
bool TakesCharge(const NeuronModel& model);

// Whether the operation has units that emit integer spike counts.
bool SendsSpikes(const OperationKind& kind);

// What one spike counts for, times dt; 1 for rate models, whose output carries their amplitude already.
double SpikeAmplitude(const NeuronModel& model);

}  // namespace spikeserve::engine
