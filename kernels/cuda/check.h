#pragma once

#include <cuda_runtime_api.h>

// Every call of the CUDA runtime goes through here.
namespace spikeserve::cuda {

// Throws DeviceError, saying what was tried and what CUDA answered.
void CheckCuda(cudaError_t result, const char* what);

// For calls that free or end something and have nobody to tell of an error: no later check finds it either.
void IgnoreCuda(cudaError_t result);

}  // namespace spikeserve::cuda
