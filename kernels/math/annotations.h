#pragma once

// Marks a function that both the host compiler and nvcc compile. The same source on both sides, built
// without contraction, is what makes backends agree by bytes.
#ifdef __CUDACC__
#define SPIKESERVE_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define SPIKESERVE_HOST_DEVICE inline __attribute__((always_inline))
#endif
