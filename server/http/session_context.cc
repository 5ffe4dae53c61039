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

void SessionContext::WaitIdle(std::chrono::steady_clock::time_point deadline, std::stop_token stop) {
  const MutexLock lock(mu_);
  idle_.wait_until(mu_, std::move(stop), deadline, [this]() SPIKESERVE_REQUIRES(mu_) { return busy_ == 0; });
}

}  // namespace spikeserve::http
