#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "kernels/cuda/device_error.h"
#include "kernels/cuda/program.h"

// A device that runs programs, whatever it is made of. No header of CUDA is seen from here.
namespace spikeserve::cuda {

// What planning needs to know of a device.
struct DeviceLimits {
  std::int64_t memory_bytes = 0;
  std::int64_t l2_bytes = 0;
  std::int64_t product_workspace_bytes = 0;  // per queue, where a program has a DigitProduct
  // Whether a ByteProduct gives what it should.
  bool byte_products = true;
  // Fewer leave a product without work for all processors, whatever the L2 says.
  std::int64_t least_rows = 128;
};

// A program made ready for replay. Belongs to the queue that captured it.
class CapturedProgram {
 public:
  virtual ~CapturedProgram() = default;
};

// A point in the work of a queue. Until it is set, it counts as passed.
class Mark {
 public:
  virtual ~Mark() = default;
};

// What a queue is for. All are the same to a GPU; a host in its place may choose an order by it.
enum class QueueUse { kWork, kUpload, kDownload };

// Work in order. Calls return before the work is done; Wait waits for it. Queues of a device know nothing of
// each other's order but what marks say. One thread at a time for queues that share marks.
class Queue {
 public:
  virtual ~Queue() = default;
  virtual void Run(const Program& program) = 0;
  // Takes now what the first DigitProduct would take, which may be memory.
  virtual void PrepareProducts() = 0;
  // `program`'s pointers must stay valid as long as what is returned. Where it fails with kRefused or
  // kOutOfMemory, Run still works.
  virtual std::unique_ptr<CapturedProgram> Capture(const Program& program) = 0;
  virtual void Replay(CapturedProgram& captured) = 0;
  // Between device memory and the host's, which must live until Wait. Only pinned memory is copied beside
  // other work.
  virtual void Upload(void* to, const void* from, std::size_t bytes) = 0;
  virtual void Download(void* to, const void* from, std::size_t bytes) = 0;
  virtual void Wait() = 0;

  virtual std::unique_ptr<Mark> NewMark() = 0;
  // Sets the mark, of this queue, behind everything put in so far.
  virtual void Set(Mark& mark) = 0;
  // What is put in from now on begins once the mark, of any queue of the device, where it stands now, is
  // passed.
  virtual void Await(const Mark& mark) = 0;
  // Waits on the host until the mark is passed.
  virtual void WaitFor(const Mark& mark) = 0;
};

// Thread-safe. Outlives its memory and queues.
class Device {
 public:
  virtual ~Device() = default;
  virtual std::string name() const = 0;
  virtual const DeviceLimits& limits() const = 0;
  // Aligned to 256 bytes. `bytes` > 0.
  virtual void* Allocate(std::size_t bytes) = 0;
  virtual void* AllocatePinned(std::size_t bytes) = 0;
  virtual void Free(void* memory) noexcept = 0;
  virtual void FreePinned(void* memory) noexcept = 0;
  virtual std::unique_ptr<Queue> NewQueue(QueueUse use) = 0;
  // Device memory that nobody holds.
  virtual std::int64_t free_bytes() const = 0;
  // Empty while the device works; else what broke it, for good.
  virtual std::string broken() const = 0;
};

// Owns memory of a device: `pinned` memory of the host that the device can reach, or its own. Movable.
class Memory {
 public:
  Memory() = default;
  Memory(Device& device, std::size_t bytes, bool pinned = false)
      : device_(&device), bytes_(bytes), pinned_(pinned) {
    if (bytes > 0) {
      data_ = pinned ? device.AllocatePinned(bytes) : device.Allocate(bytes);
    }
  }
  ~Memory() { Release(); }
  Memory(Memory&& other) noexcept { Swap(other); }
  Memory& operator=(Memory&& other) noexcept {
    Memory taken(std::move(other));
    Swap(taken);
    return *this;
  }

  std::byte* data() const { return static_cast<std::byte*>(data_); }
  std::size_t bytes() const { return bytes_; }

 private:
  void Swap(Memory& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(pinned_, other.pinned_);
  }
  void Release() noexcept {
    if (data_ != nullptr) {
      pinned_ ? device_->FreePinned(data_) : device_->Free(data_);
    }
  }

  Device* device_ = nullptr;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
  bool pinned_ = false;
};

}  // namespace spikeserve::cuda
