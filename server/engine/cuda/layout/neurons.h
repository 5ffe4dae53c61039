#pragma once

#include "kernels/cuda/scan_neuron.h"
#include "server/engine/plan/plan.h"
#include "server/engine/run/constants/neuron_constants.h"

// The neurons of a layer as the scans of kernels/cuda take them: every model has a kernel.
namespace spikeserve::engine {

// What becomes of the layer's current; cuda::Linear for layers without neurons.
cuda::Emitter CudaEmitterOf(const NeuronConstants& neurons);

// What the layer's neurons keep from step to step.
math::PerState<bool> CudaStatesOf(const Layer& layer);

// Whether any layer draws random numbers.
bool HasRandomNeurons(const Plan& plan);

}  // namespace spikeserve::engine
