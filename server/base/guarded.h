#pragma once

#include <exception>
#include <new>
#include <string>
#include <string_view>

#include "server/base/status.h"

namespace spikeserve {

// The exception that is being handled, as a status. `doing` says what was under way; empty: nothing is said.
inline Status StatusOfException(std::string_view doing) {
  const std::string prefix = doing.empty() ? std::string() : std::string(doing) + ": ";
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("out of memory" + (doing.empty() ? std::string() : " " + std::string(doing)));
  } catch (const std::exception& error) {
    return Internal(prefix + error.what());
  } catch (...) {
    return Internal(prefix + "unknown");
  }
}

// Runs `work`, turning what it throws into a status: no exception may end a thread, reach gRPC or leave a
// request unanswered. RESOURCE_EXHAUSTED where memory ran out, else INTERNAL.
template <typename Work>
auto Guarded(Work work, std::string_view doing = {}) noexcept -> decltype(work()) {
  try {
    return work();
  } catch (...) {
    try {
      return StatusOfException(doing);
    } catch (...) {  // there is not even the memory to say it
      return Status(StatusCode::kResourceExhausted, "out of memory");
    }
  }
}

}  // namespace spikeserve
