#pragma once

#include <string>

#include "server/engine/cuda/layout/closed_products.h"

// Layers in closed form as calls: what they have sent by the step of the clock, computed when it is asked
// for.
namespace spikeserve::engine {

// Why no run of the layer has a form on a GPU. Empty: some may have.
std::string WhyNotLayer(const Layer& layer);

// Why the run is one for the CPU: what of it has no form on a GPU. Empty: nothing. The only place that
// decides it.
std::string WhyForCpu(const CudaRun& run, const cuda::DeviceLimits& limits);

// What all layers in closed form have sent, as folds and statistics. Where `planes` were too few, `needed`
// says what is, and everything else is void.
cuda::Program ClosedProgram(const CudaScene& scene, const CudaPlanes& planes);

// At least as many as its calls.
std::int64_t MostClosedCalls(const CudaRun& run, const CudaLaunchShape& launch);

}  // namespace spikeserve::engine
