#include "server/app/listener_watch.h"

#include <cstdint>
#include <utility>

namespace spikeserve::app {

ListenerWatch::ListenerWatch(std::function<Status()> probe, std::function<void()> lost,
                             const rpc::EventLog& log, const Options& options)
    : probe_(std::move(probe)),
      lost_(std::move(lost)),
      log_(log),
      options_(options),
      thread_([this](std::stop_token stop) { Watch(stop); }) {}

void ListenerWatch::Watch(std::stop_token stop) {
  while (true) {
    {
      const MutexLock lock(mu_);
      stopped_.wait_for(mu_, stop, options_.interval, [] { return false; });
    }
    if (stop.stop_requested()) {
      return;
    }
    if (!TryOnce()) {
      return lost_();
    }
  }
}

bool ListenerWatch::TryOnce() {
  const Status status = probe_();
  ok_ = status.ok();
  failures_ = status.ok() ? 0 : failures_ + 1;
  if (status.ok()) {
    return true;
  }
  const bool lost = failures_ >= options_.max_failures;
  const rpc::EventLog::Fields fields = {{"failures", std::int64_t{failures_}}, {"message", status.message()}};
  if (lost) {
    log_.Error("listener_lost", fields);
  } else {
    log_.Warn("listener_unreachable", fields);
  }
  return !lost;
}

}  // namespace spikeserve::app
