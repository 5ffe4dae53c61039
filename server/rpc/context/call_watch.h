#pragma once

#include <grpcpp/server_context.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <thread>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/status.h"

namespace spikeserve::rpc {

// A call that can be ended although it may be over by then. One thread at a time.
class HeldCall {
 public:
  // The call must not be over yet.
  explicit HeldCall(grpc::CallbackServerContext& call);
  ~HeldCall();
  HeldCall(const HeldCall&) = delete;
  HeldCall& operator=(const HeldCall&) = delete;

  // Ends it at once with `status`, which the client sees. What the call does then may happen here: no mutex
  // that it takes may be held.
  void Cancel(const Status& status);

 private:
  grpc_call* const call_;
};

// Ends calls whose client does not read what it asked for, so that they do not hold their memory for ever.
// Thread-safe.
class CallWatch {
 public:
  // `patience` is the time that a write may take. `clock` outlives the watch.
  CallWatch(std::chrono::seconds patience, const Clock& clock);
  ~CallWatch();
  CallWatch(const CallWatch&) = delete;
  CallWatch& operator=(const CallWatch&) = delete;

  // A write has begun; Stop must follow before `call` ends.
  void Start(grpc::CallbackServerContext& call);
  // The write, if there was one, is over: DEADLINE_EXCEEDED where it took too long. Afterwards `call` may
  // end.
  Status Stop(grpc::CallbackServerContext& call);

 private:
  struct Write {
    Clock::TimePoint began;
    Status ended;  // why, where the call was cancelled
  };

  void CancelOverdue();
  void Watch(std::stop_token stop);

  const std::chrono::seconds patience_;
  const Clock& clock_;
  Mutex mu_;
  std::condition_variable_any stopped_;
  std::map<grpc::CallbackServerContext*, Write> writes_ SPIKESERVE_GUARDED_BY(mu_);
  std::jthread watcher_;  // last: uses what is above
};

}  // namespace spikeserve::rpc
