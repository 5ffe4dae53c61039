#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <optional>
#include <thread>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/serving/task_thread.h"

namespace spikeserve::rpc {

// A session, as the table sees it.
class EndableSession {
 public:
  virtual ~EndableSession() = default;
  // Ends it with this status: at once if it waits for a message, else after the one under way. Returns at
  // once; does not come back to the table.
  virtual void End(const Status& status) = 0;
  // The same for a client that is silent: does not wait for an answer to be read either.
  virtual void Expire(const Status& status) = 0;
  // Tells its client that it will be ended at that time. Returns at once; does not come back to the table.
  virtual void Announce(Clock::TimePoint end) = 0;
};

// The sessions under way: not too many, and none that holds its memory without sending. Has the thread that
// runs them, a chunk of steps of one after a chunk of another. Thread-safe.
class SessionTable {
 public:
  // `clock` outlives the table.
  SessionTable(std::int64_t max_sessions, std::chrono::seconds patience, const Clock& clock);
  ~SessionTable();
  SessionTable(const SessionTable&) = delete;
  SessionTable& operator=(const SessionTable&) = delete;

  // RESOURCE_EXHAUSTED where as many are under way as may be, UNAVAILABLE after Drain. After OK, Remove must
  // follow.
  Status Add(EndableSession& session);
  // The session waits for its client from now on.
  void Wait(EndableSession& session);
  // The session computes: it may take as long as it takes.
  void Work(EndableSession& session);
  // Does nothing where Add refused. Afterwards the session may go.
  void Remove(EndableSession& session);

  // Ends the sessions that have waited for longer than the patience; also done once a second.
  void EndIdle();
  // Tells all sessions, and those that are yet to be added, that they will be ended at that time.
  void Announce(Clock::TimePoint end);
  // Ends all sessions, each after the message it works on, and refuses new ones.
  void Drain();

  serving::TaskThread& tasks() { return tasks_; }

 private:
  void Watch(std::stop_token stop);

  const std::int64_t max_sessions_;
  const std::chrono::seconds patience_;
  const Clock& clock_;
  serving::TaskThread tasks_;
  Mutex mu_;
  std::condition_variable_any stopped_;
  std::map<EndableSession*, Clock::TimePoint> waiting_since_ SPIKESERVE_GUARDED_BY(mu_);
  // When all will be ended, once that is known.
  std::optional<Clock::TimePoint> end_ SPIKESERVE_GUARDED_BY(mu_);
  bool draining_ SPIKESERVE_GUARDED_BY(mu_) = false;
  std::jthread watcher_;  // last: uses what is above
};

}  // namespace spikeserve::rpc
