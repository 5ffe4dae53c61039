#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace spikeserve::serving {

// One thread for slow work (loading, unloading), in order. Thread-safe; destruction runs what is left.
class TaskThread {
 public:
  TaskThread() : thread_([this](std::stop_token stop) { Loop(stop); }) {}

  // `task` does not throw.
  void Post(std::function<void()> task) {
    const std::lock_guard lock(mu_);
    tasks_.push_back(std::move(task));
    changed_.notify_one();
  }

 private:
  void Loop(std::stop_token stop) {
    std::unique_lock lock(mu_);
    while (true) {
      changed_.wait(lock, stop, [this] { return !tasks_.empty(); });
      if (tasks_.empty()) {
        return;
      }
      std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      task = nullptr;
      lock.lock();
    }
  }

  std::mutex mu_;
  std::condition_variable_any changed_;
  std::deque<std::function<void()>> tasks_;  // guarded by mu_
  std::jthread thread_;
};

}  // namespace spikeserve::serving
