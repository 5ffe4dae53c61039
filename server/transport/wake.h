#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "server/transport/descriptor.h"

namespace spikeserve::transport {

// Wakes a thread that waits in poll or epoll, by a descriptor that becomes readable. Call from any thread.
class Wake {
 public:
  Wake() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  int descriptor() const { return event_.get(); }
  void Call() const {
    const std::uint64_t one = 1;
    static_cast<void>(!write(event_.get(), &one, sizeof one));  // full: it is readable anyway
  }
  // It is not readable any more, until the next Call.
  void Clear() const {
    std::uint64_t count = 0;
    static_cast<void>(!read(event_.get(), &count, sizeof count));
  }

 private:
  Descriptor event_;
};

}  // namespace spikeserve::transport
