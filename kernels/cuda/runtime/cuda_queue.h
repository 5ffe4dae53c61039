#pragma once

#include <memory>

#include "kernels/cuda/runtime/device.h"

namespace spikeserve::cuda {

// A stream of GPU `index`, which is `device`.
std::unique_ptr<Queue> MakeCudaQueue(Device& device, int index);

}  // namespace spikeserve::cuda
