#include "server/rpc/context/session_table.h"

#include <string>

namespace spikeserve::rpc {
namespace {

Status ShuttingDown() { return Unavailable("the server is shutting down"); }

}  // namespace

SessionTable::SessionTable(std::int64_t max_sessions, std::chrono::seconds patience, const Clock& clock)
    : max_sessions_(max_sessions),
      patience_(patience),
      clock_(clock),
      watcher_([this](std::stop_token stop) { Watch(stop); }) {}

SessionTable::~SessionTable() = default;

Status SessionTable::Add(EndableSession& session) {
  const MutexLock lock(mu_);
  if (draining_) {
    return ShuttingDown();
  }
  const auto under_way = static_cast<std::int64_t>(waiting_since_.size());
  if (under_way >= max_sessions_) {
    return ResourceExhausted("sessions: " + std::to_string(under_way) + " are under way, allowed " +
                             std::to_string(max_sessions_) + " at the same time (--max-sessions); try again");
  }
  waiting_since_[&session] = clock_.Now();
  if (end_) {
    session.Announce(*end_);
  }
  return {};
}

void SessionTable::Wait(EndableSession& session) {
  const MutexLock lock(mu_);
  waiting_since_[&session] = clock_.Now();
}

void SessionTable::Work(EndableSession& session) {
  const MutexLock lock(mu_);
  waiting_since_[&session] = Clock::TimePoint::max();
}

void SessionTable::Remove(EndableSession& session) {
  const MutexLock lock(mu_);
  waiting_since_.erase(&session);
}

void SessionTable::EndIdle() {
  const MutexLock lock(mu_);  // keeps the sessions: none goes before its Remove
  const Clock::TimePoint oldest = clock_.Now() - patience_;
  for (const auto& [session, since] : waiting_since_) {
    if (since >= oldest) {
      continue;
    }
    session->Expire({StatusCode::kDeadlineExceeded, "the session was silent for longer than " +
                                                        std::to_string(patience_.count()) +
                                                        " s (--session-idle-seconds)"});
  }
}

void SessionTable::Announce(Clock::TimePoint end) {
  const MutexLock lock(mu_);
  end_ = end;
  for (const auto& [session, since] : waiting_since_) {
    session->Announce(end);
  }
}

void SessionTable::Drain() {
  const MutexLock lock(mu_);
  draining_ = true;
  for (const auto& [session, since] : waiting_since_) {
    session->End(ShuttingDown());
  }
}

void SessionTable::Watch(std::stop_token stop) {
  while (!stop.stop_requested()) {
    EndIdle();
    const MutexLock lock(mu_);
    stopped_.wait_for(mu_, stop, std::chrono::seconds(1), [] { return false; });
  }
}

}  // namespace spikeserve::rpc
