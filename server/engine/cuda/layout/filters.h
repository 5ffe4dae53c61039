#pragma once

#include <cstdint>

#include "kernels/cuda/filter.h"
#include "kernels/math/filter_constants.h"
#include "server/engine/cuda/layout/arena.h"

// General filters and delays of terms and probes in device memory.
namespace spikeserve::engine {

// Weights of a Triangle; null where the filter has none.
float* TakeFilterWeights(const kernels::FilterConstants& constants, CudaArena& arena);
// Null where the filter has none.
const std::vector<float>* FilterWeights(const kernels::FilterConstants& constants);

// The filter of `samples` samples with `size` elements each, with its state cut from the arena.
cuda::Filter TakeFilter(const kernels::FilterConstants& constants, std::int64_t samples, std::int64_t size,
                        const float* weights, const std::int64_t* clock, CudaArena& arena);

// The filter of samples from `first` on.
cuda::Filter From(const cuda::Filter& filter, std::int64_t first, std::int64_t size);

}  // namespace spikeserve::engine
