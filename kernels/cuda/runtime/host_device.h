#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "kernels/cuda/runtime/device.h"
#include "kernels/cuda/runtime/host_queue.h"

namespace spikeserve::cuda {

// Runs a call on memory of the host, thread by thread in order, with the very functions that the kernels run.
void RunOnHost(const Call& call);

// The host in the role of a device: everything that plans, lays out and launches can be tested without a GPU,
// and what it computes is what the kernels compute. Refuses memory beyond its limit, like a device.
// Thread-safe.
class HostDevice final : public Device {
 public:
  explicit HostDevice(const DeviceLimits& limits, HostOrder order = HostOrder::kAtOnce)
      : limits_(limits), order_(order) {}

  std::string name() const override { return "host loops in place of a GPU"; }
  const DeviceLimits& limits() const override { return limits_; }
  void* Allocate(std::size_t bytes) override;
  void* AllocatePinned(std::size_t bytes) override;
  void Free(void* memory) noexcept override;
  void FreePinned(void* memory) noexcept override;
  std::unique_ptr<Queue> NewQueue(QueueUse use) override;
  std::int64_t free_bytes() const override { return limits_.memory_bytes - used_; }
  std::string broken() const override { return {}; }

  // Bytes allocated and not freed, device memory alone.
  std::int64_t used() const { return used_; }

 private:
  const DeviceLimits limits_;
  const HostOrder order_;
  std::atomic<std::int64_t> used_ = 0;
};

}  // namespace spikeserve::cuda
