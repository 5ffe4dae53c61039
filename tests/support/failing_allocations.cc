#include "tests/support/failing_allocations.h"

#include <cstdlib>
#include <new>

namespace {

constexpr int kNone = -1;

thread_local int until_failure = kNone;  // allocations that are to succeed before

void* Allocate(std::size_t bytes) {
  if (until_failure >= 0 && until_failure-- == 0) {
    throw std::bad_alloc();
  }
  void* const memory = std::malloc(bytes > 0 ? bytes : 1);
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  return memory;
}

}  // namespace

void* operator new(std::size_t bytes) { return Allocate(bytes); }
void* operator new[](std::size_t bytes) { return Allocate(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace spikeserve::testing {

FailingAllocation::FailingAllocation(int which) { until_failure = which; }
FailingAllocation::~FailingAllocation() { until_failure = kNone; }
bool FailingAllocation::failed() const { return until_failure == kNone; }

}  // namespace spikeserve::testing
