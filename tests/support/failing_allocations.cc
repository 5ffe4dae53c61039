#include "tests/support/failing_allocations.h"

#include <cstdlib>
#include <new>

namespace {

constexpr int kNone = -1;

thread_local int until_failure = kNone;  // allocations that are to succeed before

// Null where it fails.
void* TryToAllocate(std::size_t bytes) noexcept {
  if (until_failure >= 0 && until_failure-- == 0) {
    return nullptr;
  }
  return std::malloc(bytes > 0 ? bytes : 1);
}

void* Allocate(std::size_t bytes) {
  void* const memory = TryToAllocate(bytes);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}

}  // namespace

void* operator new(std::size_t bytes) { return Allocate(bytes); }
void* operator new[](std::size_t bytes) { return Allocate(bytes); }
// Sanitizers have their own of these, whose memory is not for free().
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return TryToAllocate(bytes); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return TryToAllocate(bytes); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace spikeserve::testing {

FailingAllocation::FailingAllocation(int which) { until_failure = which; }
FailingAllocation::~FailingAllocation() { until_failure = kNone; }
bool FailingAllocation::failed() const { return until_failure == kNone; }

}  // namespace spikeserve::testing
