#pragma once

#include <mutex>

namespace spikeserve::cuda {

// Held while a stream is captured, and by whatever waits for a whole device, as cuBLAS does when a handle
// comes or goes: CUDA ends every capture on a device that is waited for, whichever thread it is of.
std::mutex& CaptureMutex();

}  // namespace spikeserve::cuda
