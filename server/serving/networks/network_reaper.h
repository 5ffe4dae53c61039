#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <utility>

#include "server/base/mutex.h"
#include "server/serving/networks/network_entry.h"

namespace spikeserve::serving {

// Where dropped networks wait to be freed. Owned by the registry and by every handle's deleter. Thread-safe.
class NetworkReaper {
 public:
  using Dead = std::list<std::unique_ptr<const NetworkEntry>>;

  // Does not throw.
  void Push(Dead entries) {
    const MutexLock lock(mu_);
    if (stopped_) {
      return;  // the registry is gone: free them here
    }
    dead_.splice(dead_.end(), entries);
    changed_.notify_one();
  }

  void Stop() {
    const MutexLock lock(mu_);
    stopped_ = true;
    changed_.notify_one();
  }

  // Null when stopped and empty.
  std::unique_ptr<const NetworkEntry> Pop() {
    const MutexLock lock(mu_);
    changed_.wait(mu_, [this]() SPIKESERVE_REQUIRES(mu_) { return stopped_ || !dead_.empty(); });
    if (dead_.empty()) {
      return nullptr;
    }
    std::unique_ptr<const NetworkEntry> entry = std::move(dead_.front());
    dead_.pop_front();
    return entry;
  }

  // A number above all that were given out.
  std::uint64_t NextUse() { return ++uses_; }

 private:
  std::atomic<std::uint64_t> uses_ = 0;  // of all networks since the start
  Mutex mu_;
  std::condition_variable_any changed_;
  Dead dead_ SPIKESERVE_GUARDED_BY(mu_);
  bool stopped_ SPIKESERVE_GUARDED_BY(mu_) = false;
};

// What a handle that is given out keeps: the network, and that it is in use. Thread-safe.
class NetworkHold {
 public:
  NetworkHold(NetworkHandle network, std::shared_ptr<NetworkReaper> reaper)
      : network_(std::move(network)), reaper_(std::move(reaper)) {
    ++network_->use->holders;
    network_->use->last = reaper_->NextUse();
  }
  ~NetworkHold() {
    network_->use->last = reaper_->NextUse();
    --network_->use->holders;
  }
  NetworkHold(const NetworkHold&) = delete;
  NetworkHold& operator=(const NetworkHold&) = delete;

  static NetworkHandle Take(NetworkHandle network, std::shared_ptr<NetworkReaper> reaper) {
    const NetworkEntry* entry = network.get();
    return NetworkHandle(std::make_shared<NetworkHold>(std::move(network), std::move(reaper)), entry);
  }

 private:
  const NetworkHandle network_;
  const std::shared_ptr<NetworkReaper> reaper_;
};

}  // namespace spikeserve::serving
