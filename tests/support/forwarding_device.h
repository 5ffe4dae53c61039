#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "kernels/cuda/runtime/host_device.h"

// A host in the role of a device, for tests that change something about it.
namespace spikeserve::testing {

class ForwardingQueue : public cuda::Queue {
 public:
  explicit ForwardingQueue(std::unique_ptr<cuda::Queue> queue) : queue_(std::move(queue)) {}

  void Run(const cuda::Program& program) override { queue_->Run(program); }
  void PrepareProducts() override { queue_->PrepareProducts(); }
  std::unique_ptr<cuda::CapturedProgram> Capture(const cuda::Program& program) override {
    return queue_->Capture(program);
  }
  void Replay(cuda::CapturedProgram& captured) override { queue_->Replay(captured); }
  void Upload(void* to, const void* from, std::size_t bytes) override { queue_->Upload(to, from, bytes); }
  void Download(void* to, const void* from, std::size_t bytes) override { queue_->Download(to, from, bytes); }
  void Wait() override { queue_->Wait(); }
  std::unique_ptr<cuda::Mark> NewMark() override { return queue_->NewMark(); }
  void Set(cuda::Mark& mark) override { queue_->Set(mark); }
  void Await(const cuda::Mark& mark) override { queue_->Await(mark); }
  void WaitFor(const cuda::Mark& mark) override { queue_->WaitFor(mark); }

 private:
  const std::unique_ptr<cuda::Queue> queue_;
};

class ForwardingDevice : public cuda::Device {
 public:
  using MakeQueue = std::function<std::unique_ptr<cuda::Queue>(std::unique_ptr<cuda::Queue>)>;

  // `make` puts something around each queue of the host.
  ForwardingDevice(const cuda::DeviceLimits& limits, MakeQueue make)
      : host_(limits), make_(std::move(make)) {}

  std::string name() const override { return "Forwarding"; }
  const cuda::DeviceLimits& limits() const override { return host_.limits(); }
  void* Allocate(std::size_t bytes) override { return host_.Allocate(bytes); }
  void* AllocatePinned(std::size_t bytes) override { return host_.AllocatePinned(bytes); }
  void Free(void* memory) noexcept override { host_.Free(memory); }
  void FreePinned(void* memory) noexcept override { host_.FreePinned(memory); }
  std::unique_ptr<cuda::Queue> NewQueue(cuda::QueueUse use) override { return make_(host_.NewQueue(use)); }
  std::int64_t free_bytes() const override { return host_.free_bytes(); }
  std::string broken() const override { return host_.broken(); }

 private:
  cuda::HostDevice host_;
  const MakeQueue make_;
};

}  // namespace spikeserve::testing
