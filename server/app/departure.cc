#include "server/app/departure.h"

#include <algorithm>
#include <condition_variable>
#include <string>
#include <utility>

#include "server/app/client_connections.h"
#include "server/base/mutex.h"

namespace spikeserve::app {
namespace {

// For clients to close a connection that has ended on this side. They do so at once, unless they do not look.
constexpr std::chrono::milliseconds kGoodbye{1'000};
// For clients that read slowly to take what was written.
constexpr std::chrono::seconds kUnsent{10};
// For what was written to reach the sockets: the end of a call may overtake it on its way there.
constexpr std::chrono::milliseconds kFlush{100};

// Returns at that time, or when stopped.
void WaitUntil(Clock::TimePoint time, const std::stop_token& stop) {
  Mutex mu;
  std::condition_variable_any stopped;
  const MutexLock lock(mu);
  stopped.wait_until(mu, stop, time, [] { return false; });
}

}  // namespace

void Departure::Run() {
  parts_.health.Leave();
  if (times_.lame_duck.count() > 0 && AnybodyThere()) {
    BeLame();
  }
  Finish();
  Disconnect();
}

// Whether anybody is connected or was here a moment ago. A server that is started and stopped by a test or a
// developer need not wait.
bool Departure::AnybodyThere() const {
  const auto last_call = parts_.gate.last_call();
  return (last_call && parts_.clock.Now() - *last_call < times_.lame_duck) ||
         ClientConnections(parts_.server.address()).Count() > 0 ||
         (parts_.rest != nullptr && ClientConnections(parts_.rest->address()).Count() > 0);
}

void Departure::BeLame() {
  const Clock::TimePoint begin = parts_.clock.Now();
  const Clock::TimePoint end = begin + times_.lame_duck;
  parts_.server.Announce(end);
  if (parts_.rest != nullptr) {
    parts_.rest->EndConnections();
  }
  parts_.log.Info("lame_duck", {{"milliseconds", std::int64_t{times_.lame_duck.count()}}});
  WaitUntil(begin + times_.lame_duck / 2, hurry_);
  parts_.gate.Close(end);
  if (parts_.rest != nullptr) {
    parts_.rest->Close();
  }
  parts_.gate.WaitIdle(end, hurry_);
}

void Departure::Finish() {
  const Clock::TimePoint now = parts_.clock.Now();
  const Clock::TimePoint deadline = now + times_.patience;
  parts_.gate.Close(parts_.gate.WaitIdle(now, {}) ? now : deadline);
  parts_.batcher.Close();
  if (parts_.rest != nullptr) {
    parts_.rest->Close();
  }
  parts_.server.EndStreams();
  if (!parts_.gate.WaitIdle(deadline, hurry_)) {
    parts_.log.Warn("cancelled", {{"message", std::string("calls were under way at the end of the drain")}});
    cancelled_ = true;
    parts_.gate.CancelAll(
        Unavailable("the server is shutting down, and did not wait for the call any longer "
                    "(--drain-seconds); another one may answer"));
    parts_.gate.WaitIdle(Clock::TimePoint::max(), {});
  }
  if (parts_.rest != nullptr) {
    const Clock::TimePoint goodbye = parts_.clock.Now() + kGoodbye;
    parts_.rest->WaitIdle(std::max(deadline, goodbye), hurry_);
    parts_.rest->WaitIdle(goodbye);
  }
}

void Departure::Disconnect() {
  parts_.server.StopAccepting();
  const ClientConnections connections(parts_.server.address());
  if ((cancelled_ || times_.patience.count() > 0) && connections.Count() > 0) {
    WaitUntil(parts_.clock.Now() + kFlush, {});
  }
  const Clock::TimePoint end =
      parts_.clock.Now() + std::min<Clock::TimePoint::duration>(kUnsent, times_.patience);
  while (parts_.server.unsent() > 0 && parts_.clock.Now() < end && !hurry_.stop_requested()) {
    WaitUntil(parts_.clock.Now() + kFlush, hurry_);
  }
  const std::chrono::milliseconds patience =
      std::min(kGoodbye, std::chrono::duration_cast<std::chrono::milliseconds>(times_.patience));
  connections.Close(parts_.clock.Now() + patience);
}

}  // namespace spikeserve::app
