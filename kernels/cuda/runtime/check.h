#pragma once

#include <cuda_runtime_api.h>

// Every call of the CUDA runtime goes through here.
namespace spikeserve::cuda {

// Throws DeviceError, saying what was tried and what CUDA answered.
void CheckCuda(cudaError_t result, const char* what);

}  // namespace spikeserve::cuda
