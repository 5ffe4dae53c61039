#include "server/serving/requests/batcher.h"

#include <algorithm>
#include <string>

namespace spikeserve::serving {
namespace {

// Longest wait in one go: keeps time-point arithmetic away from its limits.
constexpr std::chrono::hours kLongestWait{1};

}  // namespace

Status Batcher::Submit(Request request) {
  Dropped dropped;
  Status status;
  {
    const MutexLock lock(mu_);
    if (closed_) {
      return Unavailable("the server is shutting down");
    }
    const std::int64_t count = request.sample_count();
    if (queued_ + count > options_.max_queue) {
      dropped = DropUnwanted();
    }
    if (queued_ + count > options_.max_queue) {
      status = ResourceExhausted("queue full: got " + std::to_string(count) + " samples, " +
                                 std::to_string(queued_) + " waiting, limit " +
                                 std::to_string(options_.max_queue) + " (--max-queue)");
    } else {
      request.enqueued = clock_.Now();
      queued_ += count;
      auto queue = std::find_if(queues_.begin(), queues_.end(), [&](const Queue& candidate) {
        return CanShareBatch(candidate.front(), request);
      });
      if (queue == queues_.end()) {
        queue = queues_.emplace(queues_.end());
      }
      queue->push_back(std::move(request));
      ++changes_;
      changed_.notify_one();
    }
  }
  Answer(std::move(dropped));
  return status;
}

std::optional<Batch> Batcher::Next(std::stop_token stop) {
  while (!stop.stop_requested()) {
    Dropped dropped;
    std::optional<Batch> batch;
    {
      const MutexLock lock(mu_);
      dropped = DropUnwanted();
      batch = TakeDue();
      if (!batch && dropped.empty()) {
        if (closed_ && queues_.empty()) {
          return std::nullopt;
        }
        AwaitChange(stop);
      }
    }
    Answer(std::move(dropped));
    if (batch) {
      return batch;
    }
  }
  return std::nullopt;
}

void Batcher::AwaitChange(std::stop_token stop) {
  const auto wait = std::min<Clock::TimePoint::duration>(NextEvent() - clock_.Now(), kLongestWait);
  if (wait <= Clock::TimePoint::duration::zero()) {
    return;
  }
  changed_.wait_for(mu_, stop, wait,
                    [this, seen = changes_]() SPIKESERVE_REQUIRES(mu_) { return changes_ != seen; });
}

std::optional<Batch> Batcher::Poll() {
  Dropped dropped;
  std::optional<Batch> batch;
  {
    const MutexLock lock(mu_);
    dropped = DropUnwanted();
    batch = TakeDue();
  }
  Answer(std::move(dropped));
  return batch;
}

void Batcher::Sweep() {
  Dropped dropped;
  {
    const MutexLock lock(mu_);
    dropped = DropUnwanted();
  }
  Answer(std::move(dropped));
}

void Batcher::Close() {
  const MutexLock lock(mu_);
  closed_ = true;
  ++changes_;
  changed_.notify_all();
}

void Batcher::FailQueued(const Status& status) {
  Dropped dropped;
  {
    const MutexLock lock(mu_);
    for (Queue& queue : queues_) {
      for (Request& request : queue) {
        dropped.emplace_back(std::move(request), status);
      }
    }
    queues_.clear();
    queued_ = 0;
    ++changes_;
    changed_.notify_all();
  }
  Answer(std::move(dropped));
}

std::int64_t Batcher::queued_samples() const {
  const MutexLock lock(mu_);
  return queued_;
}

Batcher::Dropped Batcher::DropUnwanted() {
  Dropped dropped;
  const Clock::TimePoint now = clock_.Now();
  for (Queue& queue : queues_) {
    std::erase_if(queue, [&](Request& request) SPIKESERVE_REQUIRES(mu_) {
      Status status = StillWanted(request, now);
      if (status.ok()) {
        return false;
      }
      queued_ -= request.sample_count();
      dropped.emplace_back(std::move(request), std::move(status));
      return true;
    });
  }
  queues_.remove_if([](const Queue& queue) { return queue.empty(); });
  return dropped;
}

void Batcher::Answer(Dropped dropped) {
  for (auto& [request, status] : dropped) {
    request.Answer(status, {});
  }
}

bool Batcher::IsDue(const Queue& queue) const {
  if (closed_ || clock_.Now() - queue.front().enqueued >= options_.max_delay) {
    return true;
  }
  std::int64_t samples = 0;
  for (const Request& request : queue) {
    samples += request.sample_count();
    if (samples >= options_.max_batch) {
      return true;
    }
  }
  return false;
}

std::optional<Batch> Batcher::TakeDue() {
  auto due = queues_.end();
  for (auto queue = queues_.begin(); queue != queues_.end(); ++queue) {
    const bool before = due == queues_.end() || queue->front().priority < due->front().priority;
    if (before && IsDue(*queue)) {
      due = queue;
    }
  }
  if (due == queues_.end()) {
    return std::nullopt;
  }
  Batch batch = TakeFrom(*due);
  if (due->empty()) {
    queues_.erase(due);
  } else {
    queues_.splice(queues_.end(), queues_, due);
  }
  return batch;
}

Batch Batcher::TakeFrom(Queue& queue) {
  Batch batch;
  std::int64_t samples = 0;
  while (!queue.empty()) {
    const std::int64_t count = queue.front().sample_count();
    if (!batch.empty() && samples + count > options_.max_batch) {
      break;
    }
    samples += count;
    batch.push_back(std::move(queue.front()));
    queue.pop_front();
  }
  queued_ -= samples;
  return batch;
}

Clock::TimePoint Batcher::NextEvent() const {
  Clock::TimePoint next = Clock::TimePoint::max();
  for (const Queue& queue : queues_) {
    next = std::min(next, queue.front().enqueued + options_.max_delay);
    for (const Request& request : queue) {
      next = std::min(next, request.deadline);
    }
  }
  return next;
}

}  // namespace spikeserve::serving
