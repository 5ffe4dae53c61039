#pragma once

#include "kernels/cuda/scan.h"
#include "server/base/status.h"
#include "server/engine/plan.h"

// The one place that says which networks the CUDA backend runs.
namespace spikeserve::engine {

// UNIMPLEMENTED, naming the layer and what it has, where the plan needs something that no kernel does.
Status CheckCudaSupport(const Plan& plan);

// UNIMPLEMENTED, naming the field, where the run needs something that no kernel does.
Status CheckCudaSupport(const SimulationSpec& spec);

// What the kernels call the layer's kind. For plans that passed CheckCudaSupport.
cuda::ScanKind CudaKindOf(const Layer& layer);

}  // namespace spikeserve::engine
