#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "server/base/mutex.h"

namespace spikeserve::http {

// The connections that wait for a request, whoever waits longest first: one of them makes room for a new
// connection, so that silent ones keep nobody out. Thread-safe.
class IdleConnections {
 public:
  using Ticket = std::int64_t;

  // `close` ends the connection, unless a request has come meanwhile. It must return at once.
  Ticket Enter(std::function<void()> close);
  void Leave(Ticket ticket);
  // Whether there was one.
  bool CloseOldest();
  bool empty() const;

 private:
  mutable Mutex mu_;
  Ticket last_ SPIKESERVE_GUARDED_BY(mu_) = 0;
  std::map<Ticket, std::function<void()>> waiting_ SPIKESERVE_GUARDED_BY(mu_);
};

}  // namespace spikeserve::http
