#include "server/rpc/context/call_watch.h"

#include <grpc/grpc.h>

#include <algorithm>
#include <optional>
#include <string>

namespace spikeserve::rpc {

HeldCall::HeldCall(grpc::CallbackServerContext& call) : call_(call.c_call()) { grpc_call_ref(call_); }

HeldCall::~HeldCall() { grpc_call_unref(call_); }

// TryCancel of gRPC's own does the same, but always says CANCELLED.
void HeldCall::Cancel(const Status& status) {
  grpc_call_cancel_with_status(call_, static_cast<grpc_status_code>(status.code()), status.message().c_str(),
                               nullptr);
}

CallWatch::CallWatch(std::chrono::seconds patience, const Clock& clock)
    : patience_(patience), clock_(clock), watcher_([this](std::stop_token stop) { Watch(stop); }) {}

CallWatch::~CallWatch() = default;

void CallWatch::Start(grpc::CallbackServerContext& call) {
  const MutexLock lock(mu_);
  writes_[&call].began = clock_.Now();
}

Status CallWatch::Stop(grpc::CallbackServerContext& call) {
  const MutexLock lock(mu_);
  const auto write = writes_.extract(&call);
  return write.empty() ? Status() : write.mapped().ended;
}

void CallWatch::CancelOverdue() {
  const Status late{StatusCode::kDeadlineExceeded, "the client did not read its answer within " +
                                                       std::to_string(patience_.count()) +
                                                       " s (--write-idle-seconds)"};
  while (true) {
    std::optional<HeldCall> call;
    {
      const MutexLock lock(mu_);  // keeps the calls: none ends before its Stop
      const Clock::TimePoint oldest = clock_.Now() - patience_;
      const auto overdue = std::find_if(writes_.begin(), writes_.end(), [oldest](const auto& write) {
        return write.second.began < oldest && write.second.ended.ok();
      });
      if (overdue == writes_.end()) {
        return;
      }
      overdue->second.ended = late;
      call.emplace(*overdue->first);
    }
    call->Cancel(late);
  }
}

void CallWatch::Watch(std::stop_token stop) {
  while (!stop.stop_requested()) {
    CancelOverdue();
    const MutexLock lock(mu_);
    stopped_.wait_for(mu_, stop, std::chrono::seconds(1), [] { return false; });
  }
}

}  // namespace spikeserve::rpc
