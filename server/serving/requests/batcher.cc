#include "server/serving/requests/batcher.h"

#include <algorithm>
#include <iterator>
#include <new>

namespace spikeserve::serving {
namespace {

// Longest wait in one go: keeps time-point arithmetic away from its limits.
constexpr std::chrono::hours kLongestWait{1};
// A busy worker looks for unwanted requests no more often; a run leaves them out by itself.
constexpr std::chrono::milliseconds kSweepInterval{5};

}  // namespace

void Batcher::Enqueue(Request& request, bool first) {
  Node& lane = LaneOf(request);
  QueuePlace& place = request.place;
  place.lane = &lane;
  place.samples = request.samples_left();
  place.work_s = place.cost.Seconds(place.samples);
  const double work_s = place.work_s;
  const std::int64_t samples = place.samples;
  auto& queues = lane.leaf().queues;
  auto queue = std::find_if(queues.begin(), queues.end(), [&](const Lane::Queue& candidate) {
    return CanShareBatch(candidate.front(), request);
  });
  if (queue == queues.end()) {
    std::list<Lane::Queue> made(1);
    made.front().push_back(std::move(request));
    queues.splice(queues.end(), made);
  } else if (first) {
    queue->push_front(std::move(request));
  } else {
    queue->push_back(std::move(request));
  }
  tree_.Add(lane, work_s, samples);
}

Batcher::Node& Batcher::PlaceOf(const Request& request) { return *static_cast<Node*>(request.place.lane); }

void Batcher::Leave(Request& request) {
  tree_.Remove(PlaceOf(request), request.place.work_s, request.place.samples);
  request.place.lane = nullptr;
}

// So much of the request waits now.
void Batcher::Count(Request& request, double work_s, std::int64_t samples) {
  QueuePlace& place = request.place;
  tree_.Change(PlaceOf(request), work_s - place.work_s, samples - place.samples);
  place.work_s = work_s;
  place.samples = samples;
}

std::unique_ptr<Run> Batcher::Next(std::stop_token stop) {
  while (!stop.stop_requested()) {
    Unwanted unwanted;
    std::unique_ptr<Run> run;
    {
      const MutexLock lock(mu_);
      if (clock_.Now() - swept_ < kSweepInterval) {
        run = TakeDue(unwanted);
      }
      if (!run) {
        TakeUnwanted(unwanted);
        run = TakeDue(unwanted);
      }
      if (run && options_.max_delay.count() > 0 && tree_.samples() > 0) {
        ++changes_;  // another worker is to know when the rest is due
        changed_.notify_one();
      }
      if (!run && unwanted.empty()) {
        if (closed_ && tree_.empty()) {
          return nullptr;
        }
        AwaitChange(stop);
      }
    }
    Answer(std::move(unwanted));
    if (run) {
      return run;
    }
  }
  return nullptr;
}

void Batcher::WakeForWaiting() {
  if (closed_ || tree_.samples() > 0) {
    ++changes_;
    changed_.notify_all();
  }
}

void Batcher::AwaitChange(std::stop_token stop) {
  const auto wait = std::min<Clock::TimePoint::duration>(NextEvent() - clock_.Now(), kLongestWait);
  if (wait <= Clock::TimePoint::duration::zero()) {
    return;
  }
  changed_.wait_for(mu_, stop, wait,
                    [this, seen = changes_]() SPIKESERVE_REQUIRES(mu_) { return changes_ != seen; });
}

std::unique_ptr<Run> Batcher::Poll() {
  Unwanted unwanted;
  std::unique_ptr<Run> run;
  {
    const MutexLock lock(mu_);
    TakeUnwanted(unwanted);
    run = TakeDue(unwanted);
  }
  Answer(std::move(unwanted));
  return run;
}

void Batcher::Sweep() {
  Unwanted unwanted;
  {
    const MutexLock lock(mu_);
    TakeUnwanted(unwanted);
  }
  Answer(std::move(unwanted));
}

void Batcher::Close() {
  const MutexLock lock(mu_);
  closed_ = true;
  ++changes_;
  changed_.notify_all();
}

void Batcher::FailQueued(const Status& status) {
  Unwanted all;
  {
    const MutexLock lock(mu_);
    tree_.ForEach([&](Node& node) {
      Lane& lane = node.leaf();
      for (Lane::Queue& queue : lane.queues) {
        for (Request& request : queue) {
          all.requests.emplace_back(std::move(request), status);
        }
      }
      for (Lane::Parked& parked : lane.parked) {
        all.runs.push_back(std::move(parked.run));
      }
      lane = {};
      return true;
    });
    begun_ = 0;
    LeaveAll(all);
    ++changes_;
    changed_.notify_all();
  }
  for (const std::unique_ptr<Run>& run : all.runs) {
    run->Fail(status);
  }
  Answer(std::move(all));
}

std::int64_t Batcher::queued_samples() const {
  const MutexLock lock(mu_);
  return tree_.samples();
}

double Batcher::queued_seconds() const {
  const MutexLock lock(mu_);
  return std::max(tree_.work_s(), 0.0);
}

// A lane may go with the last that wants it: nobody leaves before all are found.
void Batcher::TakeUnwanted(Unwanted& unwanted) {
  const Clock::TimePoint now = clock_.Now();
  swept_ = now;
  try {
    tree_.ForEach([&](Node& node) SPIKESERVE_REQUIRES(mu_) {
      for (Lane::Queue& queue : node.leaf().queues) {
        std::erase_if(queue, [&](Request& request)
                                 SPIKESERVE_REQUIRES(mu_) { return TakeIfUnwanted(request, now, unwanted); });
      }
      node.leaf().queues.remove_if([](const Lane::Queue& queue) { return queue.empty(); });
      node.leaf().parked.remove_if([&](Lane::Parked& parked) SPIKESERVE_REQUIRES(mu_) {
        return TakeIfUnwanted(parked, now, unwanted);
      });
      return true;
    });
  } catch (const std::bad_alloc&) {  // the rest is found the next time
  }
  LeaveAll(unwanted);
}

// An exception in the middle would leave the queue in pieces.
bool Batcher::TakeIfUnwanted(Request& request, Clock::TimePoint now, Unwanted& unwanted) {
  try {
    Status status = StillPossible(request, now);
    if (status.ok()) {
      return false;
    }
    const bool late = status.code() == StatusCode::kDeadlineExceeded;
    unwanted.requests.emplace_back(std::move(request), std::move(status));
    if (late) {
      Request& expired = unwanted.requests.back().first;
      LearnWait(expired, expired.place.attained_s, now);
    }
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

// Of a run, whether nobody is left in it.
bool Batcher::TakeIfUnwanted(Lane::Parked& parked, Clock::TimePoint now, Unwanted& unwanted) {
  const Batch& requests = parked.run->requests();
  unwanted.sinks.reserve(unwanted.sinks.size() + requests.size());  // before anything is taken
  unwanted.runs.reserve(unwanted.runs.size() + 1);
  auto sinks = parked.run->TakeUnwanted(now);
  std::move(sinks.begin(), sinks.end(), std::back_inserter(unwanted.sinks));
  if (std::any_of(requests.begin(), requests.end(), [](const Request& r) { return r.sink != nullptr; })) {
    return false;
  }
  begun_ -= parked.run->begun() ? 1 : 0;
  unwanted.runs.push_back(std::move(parked.run));
  return true;
}

void Batcher::LearnWait(const Request& request, double own_s, Clock::TimePoint now) {
  const double took_s = std::chrono::duration<double>(now - request.enqueued).count();
  forecast_.Learn(request.place.level, request.place.foreseen_s, took_s - own_s, now);
}

void Batcher::LeaveAll(Unwanted& unwanted) {
  for (auto& [request, status] : unwanted.requests) {
    Leave(request);
  }
  for (const std::unique_ptr<Run>& run : unwanted.runs) {
    for (Request& request : run->requests()) {
      LearnWait(request, request.place.attained_s, clock_.Now());
      Leave(request);
    }
  }
}

void Batcher::Answer(Unwanted unwanted) {
  for (auto& [request, status] : unwanted.requests) {
    request.Answer(status, {});
  }
  for (Request& request : unwanted.lost) {
    if (request.sink != nullptr) {
      request.Answer(unwanted.lost_why, {});
    }
  }
  const bool frees = !unwanted.runs.empty();
  unwanted.runs.clear();
  for (const auto& [sink, status] : unwanted.sinks) {
    sink->OnDone(status, {});
  }
  if (frees) {
    const MutexLock lock(mu_);
    Unblock();
    ++changes_;
    changed_.notify_all();
  }
}

Clock::TimePoint Batcher::NextEvent() {
  Clock::TimePoint next = Clock::TimePoint::max();
  tree_.ForEach([&](Node& node) SPIKESERVE_REQUIRES(mu_) {
    for (const Lane::Queue& queue : node.leaf().queues) {
      next = std::min(next, queue.front().enqueued + DelayOf(queue.front()));
      for (const Request& request : queue) {
        next = std::min(next, request.ends_by());
      }
    }
    for (const Lane::Parked& parked : node.leaf().parked) {
      for (const Request& request : parked.run->requests()) {
        next = request.sink == nullptr ? next : std::min(next, request.ends_by());
      }
    }
    return true;
  });
  return next;
}

}  // namespace spikeserve::serving
