#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace spikeserve::engine {

// A fixed set of threads for loops over samples. Thread-safe; loops run one at a time, in the order they
// came.
class ThreadPool {
 public:
  // `threads` >= 1 counts the caller of For as one.
  explicit ThreadPool(std::int64_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::int64_t threads() const { return static_cast<std::int64_t>(workers_.size()) + 1; }

  // Calls body(index, thread) for every index in [0, count), thread in [0, threads()), and waits for all.
  // Rethrows the first exception of a body.
  void For(std::int64_t count, const std::function<void(std::int64_t, std::int64_t)>& body);

 private:
  void Work(std::int64_t thread);
  void Drain(std::unique_lock<std::mutex>& lock, std::int64_t thread);

  std::mutex loop_mu_;  // held by the one loop that runs

  std::mutex mu_;  // guards all below
  std::condition_variable changed_;
  const std::function<void(std::int64_t, std::int64_t)>* body_ = nullptr;
  std::int64_t next_ = 0;
  std::int64_t count_ = 0;
  std::int64_t running_ = 0;
  std::exception_ptr failure_;
  bool stopping_ = false;

  std::vector<std::thread> workers_;
};

}  // namespace spikeserve::engine
