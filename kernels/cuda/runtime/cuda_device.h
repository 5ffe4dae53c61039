#pragma once

#include <memory>

#include "kernels/cuda/runtime/device.h"

namespace spikeserve::cuda {

// GPU `index` of this machine. Throws DeviceError (kUnavailable) where there is none that works, saying why.
// Not declared to need CUDA: only its definition does.
std::unique_ptr<Device> MakeCudaDevice(int index);

// GPUs of this machine; 0 where there is no driver.
int CudaDeviceCount();

}  // namespace spikeserve::cuda
