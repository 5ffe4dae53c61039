#pragma once

#include <cuda_runtime_api.h>

#include "kernels/cuda/check.h"
#include "kernels/cuda/runtime/device_health.h"

namespace spikeserve::cuda {

// One GPU of this machine, for calls of the CUDA runtime, which are about the one that the thread has
// selected. Thread-safe.
class Gpu {
 public:
  explicit Gpu(int index) : index_(index) {}

  // body() with this GPU selected and its failures put down.
  template <typename Body>
  auto On(Body body) {
    return health_.Watch([&] {
      CheckCuda(cudaSetDevice(index_), "select device");
      return body();
    });
  }
  // For what frees: fails in silence.
  void Select() const noexcept { IgnoreCuda(cudaSetDevice(index_)); }

  DeviceHealth& health() { return health_; }
  const DeviceHealth& health() const { return health_; }

 private:
  const int index_;
  DeviceHealth health_;
};

}  // namespace spikeserve::cuda
