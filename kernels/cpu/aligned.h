#pragma once

#include <cstddef>
#include <new>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace spikeserve::kernels {

// Asks for large pages, where the system has them to give: loops over many weights otherwise wait for
// addresses to be looked up.
inline void AdviseLargePages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) {
#ifdef MADV_HUGEPAGE
  (void)madvise(memory, bytes, MADV_HUGEPAGE);  // advice: nothing is lost where it is not taken
#endif
}

// Allocates at the start of a cache line: vectors of 64 bytes then never lie across two of them. Large arrays
// begin with a large page.
template <typename T>
struct CacheLineAllocator {
  using value_type = T;
  static constexpr std::size_t kLine = 64;
  static constexpr std::size_t kLargePage = std::size_t{1} << 21;

  CacheLineAllocator() = default;
  template <typename U>
  CacheLineAllocator(const CacheLineAllocator<U>&) {}  // NOLINT: implicit by the rules of allocators

  T* allocate(std::size_t count) {
    const std::size_t bytes = count * sizeof(T);
    void* const memory = ::operator new(bytes, AlignmentOf(bytes));
    if (bytes >= kLargePage) {
      AdviseLargePages(memory, bytes);
    }
    return static_cast<T*>(memory);
  }
  void deallocate(T* values, std::size_t count) { ::operator delete(values, AlignmentOf(count * sizeof(T))); }

  static std::align_val_t AlignmentOf(std::size_t bytes) {
    return std::align_val_t{bytes >= kLargePage ? kLargePage : kLine};
  }

  friend bool operator==(CacheLineAllocator, CacheLineAllocator) { return true; }
};

template <typename T>
using AlignedVector = std::vector<T, CacheLineAllocator<T>>;

}  // namespace spikeserve::kernels
