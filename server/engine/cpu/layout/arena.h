#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

namespace spikeserve::engine {

// Cuts one piece of memory into arrays. With no memory it only counts: the code that lays buffers out is the
// code that says how large they are. One thread at a time.
class CpuArena {
 public:
  static constexpr std::int64_t kAlignment = 64;  // a cache line, and the widest vector

  CpuArena() = default;
  explicit CpuArena(std::byte* memory) : memory_(memory) {}

  // Elements that nobody has written yet; none while counting.
  template <typename T>
  std::span<T> Take(std::int64_t count) {
    std::byte* const place = counts() ? nullptr : memory_ + used_;
    used_ += (count * static_cast<std::int64_t>(sizeof(T)) + kAlignment - 1) / kAlignment * kAlignment;
    return place != nullptr ? std::span<T>(reinterpret_cast<T*>(place), static_cast<std::size_t>(count))
                            : std::span<T>();
  }
  // Counts what objects among the arrays take by themselves: those that grow to what a run needs, or bring
  // memory of their own.
  void Count(std::int64_t bytes) { elsewhere_ += bytes; }

  // Whether there is no memory.
  bool counts() const { return memory_ == nullptr; }
  std::int64_t used() const { return used_; }
  std::int64_t total() const { return used_ + elsewhere_; }

 private:
  std::byte* memory_ = nullptr;
  std::int64_t used_ = 0;
  std::int64_t elsewhere_ = 0;
};

// What an arena cuts. Pages that nobody writes cost addresses, but no memory.
class CpuMemory {
 public:
  CpuMemory() = default;
  explicit CpuMemory(std::int64_t bytes)
      : memory_(static_cast<std::byte*>(
            ::operator new(static_cast<std::size_t>(bytes), std::align_val_t{CpuArena::kAlignment}))) {}

  std::byte* data() const { return memory_.get(); }

 private:
  struct Free {
    void operator()(std::byte* memory) const {
      ::operator delete(memory, std::align_val_t{CpuArena::kAlignment});
    }
  };
  std::unique_ptr<std::byte, Free> memory_;
};

}  // namespace spikeserve::engine
