#pragma once

#include <memory>

#include "kernels/cuda/runtime/device.h"
#include "kernels/cuda/runtime/gpu.h"

namespace spikeserve::cuda {

// A stream of `gpu`, which is `device`. Both outlive it.
std::unique_ptr<Queue> MakeCudaQueue(Device& device, Gpu& gpu);

}  // namespace spikeserve::cuda
