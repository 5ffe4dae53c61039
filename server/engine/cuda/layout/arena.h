#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace spikeserve::engine {

// Cuts one piece of device memory into arrays. With no memory it only counts: the code that lays a buffer out
// is the code that says how large it is. One thread at a time.
class CudaArena {
 public:
  static constexpr std::int64_t kAlignment = 256;

  CudaArena() = default;
  explicit CudaArena(std::byte* memory) : base_(reinterpret_cast<std::uintptr_t>(memory)) {}

  // Null for no elements.
  template <typename T>
  T* Take(std::int64_t count) {
    if (count == 0) {
      return nullptr;
    }
    const std::int64_t at = used_;
    const std::int64_t bytes = count * static_cast<std::int64_t>(sizeof(T));
    used_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    // Not arithmetic on a pointer: the base is null while counting.
    const std::uintptr_t place = base_ + static_cast<std::uintptr_t>(at) + (base_ == 0 ? kAlignment : 0);
    ++arrays_;
    if (list_ != nullptr) {
      list_->push_back({reinterpret_cast<std::byte*>(place), bytes});  // NOLINT: see above
    }
    return reinterpret_cast<T*>(place);  // NOLINT: see above
  }

  struct Array {
    std::byte* data = nullptr;
    std::int64_t bytes = 0;
  };
  // Lists in `arrays` what is taken from now on.
  void List(std::vector<Array>& arrays) { list_ = &arrays; }

  std::int64_t used() const { return used_; }
  // How many arrays there are; each is padded by less than kAlignment.
  std::int64_t arrays() const { return arrays_; }

 private:
  std::uintptr_t base_ = 0;
  std::int64_t used_ = 0;
  std::int64_t arrays_ = 0;
  std::vector<Array>* list_ = nullptr;
};

}  // namespace spikeserve::engine
