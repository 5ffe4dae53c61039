#pragma once

#include "server/engine/network/network_definition.h"

// What the engine has to know about a neuron model beside its step.
namespace spikeserve::engine {

// Emits integer spike counts; the others emit a real value.
bool IsSpiking(const NeuronModel& model);
// Has a membrane voltage that an initial voltage can set and a probe can read.
bool HasVoltage(const NeuronModel& model);
// Draws random numbers.
bool IsRandom(const NeuronModel& model);
// May emit negative counts by its definition.
bool IsSigned(const NeuronModel& model);

// What one spike counts for, times dt; 1 for rate models, whose output carries their amplitude already.
double SpikeAmplitude(const NeuronModel& model);

// The plain models that the event-driven kernels of the CPU know: SpikingRectifiedLinear, and
// IntegrateAndFire without a lower bound.
bool IsPlainIntegrator(const NeuronModel& model);

}  // namespace spikeserve::engine
