#pragma once

#include <cstdint>

#include "kernels/math/annotations.h"

// Updates that many threads of the device make to one place. On the host, where the loops over threads run
// one after the other, they are plain updates. All give results that do not depend on the order.
namespace spikeserve::cuda {

SPIKESERVE_HOST_DEVICE void AtomicAdd(std::int64_t* to, std::int64_t value) {
#ifdef __CUDA_ARCH__
  atomicAdd(reinterpret_cast<unsigned long long*>(to), static_cast<unsigned long long>(value));
#else
  *to += value;
#endif
}

SPIKESERVE_HOST_DEVICE void AtomicMax(std::int32_t* to, std::int32_t value) {
#ifdef __CUDA_ARCH__
  atomicMax(to, value);
#else
  *to = *to < value ? value : *to;
#endif
}

// Sets `to` where it still holds `empty`.
SPIKESERVE_HOST_DEVICE void SetOnce(std::int32_t* to, std::int32_t empty, std::int32_t value) {
#ifdef __CUDA_ARCH__
  atomicCAS(to, empty, value);
#else
  *to = *to == empty ? value : *to;
#endif
}

}  // namespace spikeserve::cuda
