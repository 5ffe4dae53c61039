#pragma once

#include <grpcpp/server_context.h>

#include <condition_variable>
#include <map>
#include <optional>
#include <stop_token>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/status.h"

namespace spikeserve::rpc {

// Lets calls in, and knows which are under way, so that a server that goes away refuses what is new, waits
// for the rest and ends what is left with a code that clients repeat. Thread-safe.
class CallGate {
 public:
  // `clock` outlives the gate.
  explicit CallGate(const Clock& clock) : clock_(clock) {}
  CallGate(const CallGate&) = delete;
  CallGate& operator=(const CallGate&) = delete;

  // One call's way through the gate: under way from its construction to Leave, unless it was refused.
  class Pass {
   public:
    Pass(CallGate& gate, grpc::CallbackServerContext& call);
    ~Pass() { static_cast<void>(Leave()); }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;

    // UNAVAILABLE where the call is refused.
    const Status& status() const { return status_; }
    // The call is over, with its answer written: why the gate has cancelled it, OK where it has not.
    Status Leave();

   private:
    CallGate& gate_;
    grpc::CallbackServerContext& call_;
    Status status_;
  };

  // From now on new calls are refused. `away` is when the server is expected to be gone: a client that comes
  // back here is told to wait until then, so that it does not use up its attempts on the same server.
  void Close(Clock::TimePoint away);
  // Returns once no call is under way, at the deadline, or when stopped. Whether none is.
  bool WaitIdle(Clock::TimePoint deadline, std::stop_token stop);
  // Ends all calls that are under way with `status`, which their clients see.
  void CancelAll(const Status& status);
  // When a call last came, let in or not; nothing where none has.
  std::optional<Clock::TimePoint> last_call() const;

 private:
  Status Enter(grpc::CallbackServerContext& call);
  Status Leave(grpc::CallbackServerContext& call);

  const Clock& clock_;
  mutable Mutex mu_;
  std::condition_variable_any idle_;
  // Why the gate has cancelled it; OK where it has not.
  std::map<grpc::CallbackServerContext*, Status> under_way_ SPIKESERVE_GUARDED_BY(mu_);
  std::optional<Clock::TimePoint> last_call_ SPIKESERVE_GUARDED_BY(mu_);
  // Set once the gate is closed.
  std::optional<Clock::TimePoint> away_ SPIKESERVE_GUARDED_BY(mu_);
};

}  // namespace spikeserve::rpc
