#pragma once

#include <memory>

#include "kernels/cuda/runtime/device.h"

namespace spikeserve::cuda {

// When a host in the role of a device does what is put into its queues. A device may do it in any order that
// marks allow; each of these orders is one that shows another kind of missing mark, as wrong results.
enum class HostOrder {
  kAtOnce,       // as it is put in
  kLate,         // all of it when somebody waits for it, and no more than that needs
  kCopiesFirst,  // copies to the device at once, the rest late
  kWorkFirst,    // work at once, copies late
};

// Runs on the thread that puts work in or waits.
std::unique_ptr<Queue> MakeHostQueue(HostOrder order, QueueUse use);

}  // namespace spikeserve::cuda
