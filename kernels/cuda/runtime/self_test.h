#pragma once

#include "kernels/cuda/runtime/device.h"

namespace spikeserve::cuda {

// Runs a kernel and a product on the device and compares what comes back: a driver that is too old for this
// build shows itself, and a cuBLAS whose sums are not exact. Throws DeviceError, kUnavailable where something
// is wrong with the results.
void TestDevice(Device& device);

// Whether a ByteProduct gives what it should: false too where cuBLAS refuses it. Throws DeviceError for other
// reasons.
bool SumsBytesExactly(Device& device);

}  // namespace spikeserve::cuda
