#include "server/rpc/context/call_gate.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "server/rpc/context/call_watch.h"

namespace spikeserve::rpc {
namespace {

constexpr const char* kAttemptsBefore = "grpc-previous-rpc-attempts";
constexpr const char* kComeBackAfter = "grpc-retry-pushback-ms";
// A server that is about to close its connections is gone after the one, for its clients; one that takes long
// to finish what is under way is not worth a longer wait than the other.
constexpr std::chrono::milliseconds kShortestWait{100};
constexpr std::chrono::milliseconds kLongestWait{5'000};

// Whether the client has been refused before. Without health checks a balancer may ask the same server again
// and again, until its attempts are used up.
bool IsRepeated(const grpc::CallbackServerContext& call) {
  return call.client_metadata().count(kAttemptsBefore) > 0;
}

}  // namespace

CallGate::Pass::Pass(CallGate& gate, grpc::CallbackServerContext& call)
    : gate_(gate), call_(call), status_(gate.Enter(call)) {}

Status CallGate::Pass::Leave() { return gate_.Leave(call_); }

Status CallGate::Enter(grpc::CallbackServerContext& call) {
  const Clock::TimePoint now = clock_.Now();
  const MutexLock lock(mu_);
  last_call_ = now;
  if (!away_) {
    under_way_.emplace(&call, Status());
    return {};
  }
  if (IsRepeated(call)) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*away_ - now);
    call.AddTrailingMetadata(kComeBackAfter,
                             std::to_string(std::clamp(left, kShortestWait, kLongestWait).count()));
  }
  return Unavailable("the server is shutting down; another one may answer");
}

Status CallGate::Leave(grpc::CallbackServerContext& call) {
  const MutexLock lock(mu_);
  auto left = under_way_.extract(&call);
  if (under_way_.empty()) {
    idle_.notify_all();
  }
  return left.empty() ? Status() : std::move(left.mapped());
}

void CallGate::Close(Clock::TimePoint away) {
  const MutexLock lock(mu_);
  away_ = away;
}

bool CallGate::WaitIdle(Clock::TimePoint deadline, std::stop_token stop) {
  const MutexLock lock(mu_);
  return idle_.wait_until(mu_, std::move(stop), deadline,
                          [this]() SPIKESERVE_REQUIRES(mu_) { return under_way_.empty(); });
}

void CallGate::CancelAll(const Status& status) {
  grpc::CallbackServerContext* last = nullptr;
  while (true) {
    std::optional<HeldCall> held;
    {
      const MutexLock lock(mu_);  // keeps the calls: none ends before its Leave
      const auto next = under_way_.upper_bound(last);
      if (next == under_way_.end()) {
        return;
      }
      last = next->first;
      next->second = status;
      held.emplace(*last);
    }
    held->Cancel(status);
  }
}

std::optional<Clock::TimePoint> CallGate::last_call() const {
  const MutexLock lock(mu_);
  return last_call_;
}

}  // namespace spikeserve::rpc
