#include <utility>

#include "server/http/session.h"

namespace spikeserve::http {

void SessionContext::Begun() {
  const MutexLock lock(mu_);
  ++busy_;
}

void SessionContext::Ended() {
  const MutexLock lock(mu_);
  --busy_;
  idle_.notify_all();
}

void SessionContext::WaitIdle(std::chrono::steady_clock::time_point deadline) {
  const MutexLock lock(mu_);
  while (busy_ > 0 && idle_.wait_until(mu_, deadline) != std::cv_status::timeout) {
  }
}

}  // namespace spikeserve::http
