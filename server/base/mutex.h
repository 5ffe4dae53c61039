#pragma once

#include <condition_variable>
#include <mutex>

#include "server/base/thread_annotations.h"

namespace spikeserve {

// std::mutex, known to -Wthread-safety, which libstdc++'s is not. A std::condition_variable_any waits on it
// directly: on `mu` itself, held by a MutexLock around the wait; a std::condition_variable by Wait.
class SPIKESERVE_CAPABILITY("mutex") Mutex {
 public:
  void lock() SPIKESERVE_ACQUIRE() { mu_.lock(); }
  void unlock() SPIKESERVE_RELEASE() { mu_.unlock(); }
  // Waits once, for a notification or none; held again afterwards.
  void Wait(std::condition_variable& changed) SPIKESERVE_REQUIRES(this) {
    std::unique_lock lock(mu_, std::adopt_lock);
    changed.wait(lock);
    lock.release();
  }

 private:
  std::mutex mu_;
};

// Holds a mutex for as long as it lives.
class SPIKESERVE_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mu) SPIKESERVE_ACQUIRE(mu) : mu_(mu) { mu_.lock(); }
  ~MutexLock() SPIKESERVE_RELEASE() { mu_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mu_;
};

}  // namespace spikeserve
