#pragma once

#include <array>

#include "kernels/cuda/scan_neuron.h"
#include "server/engine/plan/plan.h"
#include "server/engine/run/constants/run_constants.h"

// The neurons of a layer as the scans of kernels/cuda take them: every model has a kernel.
namespace spikeserve::engine {

// What becomes of the layer's current. kLinear for layers without neurons.
cuda::ScanKind CudaKindOf(const Layer& layer);

// Which states a neuron of the layer keeps, in the order of kernels::NeuronStates.
std::array<bool, cuda::kNeuronState> CudaStatesOf(const Layer& layer);

// Constants of the layer at the dt that `constants` are of.
cuda::ScanNeurons CudaNeuronsOf(const Layer& layer, const LayerConstants& constants);

// Whether any layer draws random numbers.
bool HasRandomNeurons(const Plan& plan);

}  // namespace spikeserve::engine
