#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <stop_token>
#include <thread>
#include <utility>

#include "server/base/mutex.h"

namespace spikeserve::serving {

// One thread for slow work (loading, unloading), in order. Thread-safe; destruction runs what is left.
class TaskThread {
 public:
  TaskThread() : thread_([this](std::stop_token stop) { Loop(stop); }) {}

  // `task` does not throw.
  void Post(std::function<void()> task) {
    const MutexLock lock(mu_);
    tasks_.push_back(std::move(task));
    changed_.notify_one();
  }

 private:
  void Loop(const std::stop_token& stop) {
    while (const std::function<void()> task = Next(stop)) {
      task();
    }
  }

  // Empty where it is stopped and nothing is left.
  std::function<void()> Next(const std::stop_token& stop) {
    const MutexLock lock(mu_);
    changed_.wait(mu_, stop, [this]() SPIKESERVE_REQUIRES(mu_) { return !tasks_.empty(); });
    if (tasks_.empty()) {
      return nullptr;
    }
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    return task;
  }

  Mutex mu_;
  std::condition_variable_any changed_;
  std::deque<std::function<void()>> tasks_ SPIKESERVE_GUARDED_BY(mu_);
  std::jthread thread_;
};

}  // namespace spikeserve::serving
