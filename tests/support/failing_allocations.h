#pragma once

namespace spikeserve::testing {

// While it lives, one allocation of the thread that made it throws std::bad_alloc; those before and after do
// not. Use it to see what becomes of work that runs out of memory, wherever that happens.
class FailingAllocation {
 public:
  // Which, counted from 0.
  explicit FailingAllocation(int which);
  ~FailingAllocation();
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;

  // Whether there were so many.
  bool failed() const;
};

}  // namespace spikeserve::testing
