#include "server/engine/thread_pool.h"

#include <exception>
#include <utility>

namespace spikeserve::engine {

ThreadPool::ThreadPool(std::int64_t threads) {
  for (std::int64_t i = 1; i < threads; ++i) {
    workers_.emplace_back([this, i] { Work(i); });
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mu_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& worker : workers_) {
    worker.join();
  }
}

void ThreadPool::For(std::int64_t count, const std::function<void(std::int64_t, std::int64_t)>& body) {
  const std::lock_guard one_loop(loop_mu_);
  std::unique_lock lock(mu_);
  body_ = &body;
  next_ = 0;
  count_ = count;
  changed_.notify_all();
  Drain(lock, 0);
  changed_.wait(lock, [this] { return running_ == 0; });
  body_ = nullptr;
  if (failure_) {
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }
}

void ThreadPool::Work(std::int64_t thread) {
  std::unique_lock lock(mu_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || (body_ != nullptr && next_ < count_); });
    if (stopping_) {
      return;
    }
    Drain(lock, thread);
    changed_.notify_all();
  }
}

// Takes indices until none are left.
void ThreadPool::Drain(std::unique_lock<std::mutex>& lock, std::int64_t thread) {
  while (body_ != nullptr && next_ < count_) {
    const std::int64_t index = next_++;
    ++running_;
    const auto* body = body_;
    lock.unlock();
    std::exception_ptr failure;
    try {
      (*body)(index, thread);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    --running_;
    if (failure) {
      failure_ = failure;
      next_ = count_;
    }
  }
}

}  // namespace spikeserve::engine
