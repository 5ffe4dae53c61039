#pragma once

#include <cstddef>
#include <initializer_list>
#include <vector>

namespace spikeserve::engine {

// Where the inputs of one sample lie, an address for each Input operation. The first one, which most networks
// have alone, needs no allocation: a batch of small samples would spend more on these than on some layers.
class InputAddresses {
 public:
  InputAddresses() = default;
  explicit InputAddresses(std::size_t count, const std::byte* address = nullptr)
      : size_(count), first_(address), others_(count > 1 ? count - 1 : 0, address) {}
  InputAddresses(std::initializer_list<const std::byte*> addresses) {
    for (const std::byte* address : addresses) {
      push_back(address);
    }
  }

  void push_back(const std::byte* address) {
    if (size_ == 0) {
      first_ = address;
    } else {
      others_.push_back(address);
    }
    ++size_;
  }

  std::size_t size() const { return size_; }
  const std::byte*& operator[](std::size_t input) { return input == 0 ? first_ : others_[input - 1]; }
  const std::byte* operator[](std::size_t input) const { return input == 0 ? first_ : others_[input - 1]; }

 private:
  std::size_t size_ = 0;
  const std::byte* first_ = nullptr;
  std::vector<const std::byte*> others_;
};

}  // namespace spikeserve::engine
