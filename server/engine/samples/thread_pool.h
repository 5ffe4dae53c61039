#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "server/base/mutex.h"

namespace spikeserve::engine {

// A fixed set of threads that help with loops over samples. Thread-safe. Loops of several callers run at the
// same time: each caller works at its own, so that a short one does not wait for a long one, and the threads
// of the pool take an index of one loop after the other.
class ThreadPool {
 public:
  // `threads` >= 1 counts the caller of For as one.
  explicit ThreadPool(std::int64_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::int64_t threads() const { return static_cast<std::int64_t>(workers_.size()) + 1; }
  // Loops so far that others might help with.
  std::int64_t begun() const { return begun_; }

  // Calls body(index, thread) for every index in [0, count), thread in [0, threads()), no two of the loop
  // with the same thread at the same time, and waits for all. Rethrows an exception of a body, after which no
  // further index is begun.
  void For(std::int64_t count, const std::function<void(std::int64_t, std::int64_t)>& body);

 private:
  struct Loop {
    const std::function<void(std::int64_t, std::int64_t)>* body;
    std::int64_t count;
    std::int64_t next = 0;
    std::atomic<std::int64_t> running = 0;  // changed with mu_ held
    std::exception_ptr failure = nullptr;
  };

  void Work(std::int64_t thread);
  // Waits until there is a loop with indices left or the pool stops.
  void AwaitWork() SPIKESERVE_REQUIRES(mu_);
  // Waits until no index of the loop runs any more.
  void AwaitEnd(const Loop& loop) SPIKESERVE_REQUIRES(mu_);
  // Runs the next index of a loop that has one left. The mutex is not held meanwhile.
  void RunNext(Loop& loop, std::int64_t thread) SPIKESERVE_REQUIRES(mu_);

  Mutex mu_;  // guards the loops too
  std::condition_variable work_, done_;
  // With indices left, the one whose turn it is first.
  std::vector<Loop*> loops_ SPIKESERVE_GUARDED_BY(mu_);
  bool stopping_ SPIKESERVE_GUARDED_BY(mu_) = false;

  std::atomic<std::int64_t> begun_ = 0;  // loops, changed with mu_ held

  std::vector<std::thread> workers_;
};

}  // namespace spikeserve::engine
