#include "server/engine/samples/thread_pool.h"

#include <algorithm>
#include <chrono>

namespace spikeserve::engine {
namespace {

// To wake a thread takes as long as to simulate some samples: it looks out a little before it sleeps.
constexpr std::chrono::microseconds kLookOut{50};

// Lets other threads run until `over` or for kLookOut.
template <typename Predicate>
void LookOut(Predicate over) {
  const auto end = std::chrono::steady_clock::now() + kLookOut;
  while (!over() && std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
}

}  // namespace

ThreadPool::ThreadPool(std::int64_t threads) {
  for (std::int64_t i = 1; i < threads; ++i) {
    workers_.emplace_back([this, i] { Work(i); });
  }
}

ThreadPool::~ThreadPool() {
  {
    const MutexLock lock(mu_);
    stopping_ = true;
  }
  work_.notify_all();
  for (std::thread& worker : workers_) {
    worker.join();
  }
}

void ThreadPool::For(std::int64_t count, const std::function<void(std::int64_t, std::int64_t)>& body) {
  Loop loop{&body, count};
  const MutexLock lock(mu_);
  if (count > 1) {
    loops_.push_back(&loop);
    ++begun_;
    work_.notify_all();
  }
  while (loop.next < loop.count) {
    RunNext(loop, 0);
  }
  AwaitEnd(loop);
  if (loop.failure) {
    std::rethrow_exception(loop.failure);
  }
}

void ThreadPool::Work(std::int64_t thread) {
  const MutexLock lock(mu_);
  while (true) {
    AwaitWork();
    if (stopping_) {
      return;
    }
    Loop& loop = *loops_.front();
    std::rotate(loops_.begin(), loops_.begin() + 1, loops_.end());
    RunNext(loop, thread);
  }
}

void ThreadPool::AwaitWork() {
  if (!stopping_ && loops_.empty()) {
    const std::int64_t seen = begun_;
    mu_.unlock();
    LookOut([this, seen] { return begun_ != seen; });
    mu_.lock();
  }
  while (!stopping_ && loops_.empty()) {
    mu_.Wait(work_);
  }
}

void ThreadPool::AwaitEnd(const Loop& loop) {
  if (loop.running > 0) {
    mu_.unlock();
    LookOut([&loop] { return loop.running == 0; });
    mu_.lock();
  }
  while (loop.running != 0) {
    mu_.Wait(done_);
  }
}

void ThreadPool::RunNext(Loop& loop, std::int64_t thread) {
  const std::int64_t index = loop.next++;
  if (loop.next == loop.count) {
    std::erase(loops_, &loop);
  }
  ++loop.running;
  mu_.unlock();
  std::exception_ptr failure;
  try {
    (*loop.body)(index, thread);
  } catch (...) {
    failure = std::current_exception();
  }
  mu_.lock();
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
