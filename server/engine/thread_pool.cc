#include "server/engine/thread_pool.h"

#include <algorithm>

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
  work_.notify_all();
  for (std::thread& worker : workers_) {
    worker.join();
  }
}

void ThreadPool::For(std::int64_t count, const std::function<void(std::int64_t, std::int64_t)>& body) {
  Loop loop{&body, count};
  std::unique_lock lock(mu_);
  if (count > 1) {
    loops_.push_back(&loop);
    work_.notify_all();
  }
  while (loop.next < loop.count) {
    RunNext(loop, 0, lock);
  }
  done_.wait(lock, [&loop] { return loop.running == 0; });
  if (loop.failure) {
    std::rethrow_exception(loop.failure);
  }
}

void ThreadPool::Work(std::int64_t thread) {
  std::unique_lock lock(mu_);
  while (true) {
    work_.wait(lock, [this] { return stopping_ || !loops_.empty(); });
    if (stopping_) {
      return;
    }
    Loop& loop = *loops_.front();
    std::rotate(loops_.begin(), loops_.begin() + 1, loops_.end());
    RunNext(loop, thread, lock);
  }
}

void ThreadPool::RunNext(Loop& loop, std::int64_t thread, std::unique_lock<std::mutex>& lock) {
  const std::int64_t index = loop.next++;
  if (loop.next == loop.count) {
    std::erase(loops_, &loop);
  }
  ++loop.running;
  lock.unlock();
  std::exception_ptr failure;
  try {
    (*loop.body)(index, thread);
  } catch (...) {
    failure = std::current_exception();
  }
  lock.lock();
  if (failure) {
    loop.failure = failure;
    loop.next = loop.count;
    std::erase(loops_, &loop);
  }
  if (--loop.running == 0 && loop.next == loop.count) {
    done_.notify_all();
  }
}

}  // namespace spikeserve::engine
