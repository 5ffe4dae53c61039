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

// Ends `call` at once with `status`, which the client sees. The call must not be over.
void CancelCall(grpc::CallbackServerContext& call, const Status& status);

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
