#include "server/http/idle_connections.h"

#include <utility>

namespace spikeserve::http {

IdleConnections::Ticket IdleConnections::Enter(std::function<void()> close) {
  const MutexLock lock(mu_);
  waiting_.emplace(++last_, std::move(close));
  return last_;
}

void IdleConnections::Leave(Ticket ticket) {
  const MutexLock lock(mu_);
  waiting_.erase(ticket);
}

bool IdleConnections::CloseOldest() {
  std::function<void()> close;
  {
    const MutexLock lock(mu_);
    if (waiting_.empty()) {
      return false;
    }
    close = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
  }
  close();
  return true;
}

bool IdleConnections::empty() const {
  const MutexLock lock(mu_);
  return waiting_.empty();
}

}  // namespace spikeserve::http
