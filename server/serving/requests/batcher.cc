#include "server/serving/requests/batcher.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>

namespace spikeserve::serving {
namespace {

// Longest wait in one go: keeps time-point arithmetic away from its limits.
constexpr std::chrono::hours kLongestWait{1};
// Each level is for requests of up to eight times the cost of the one before, and has half its share.
constexpr double kLevelCosts = 8;
constexpr double kLevelShare = 0.5;
constexpr int kLevels = 6;
// A busy worker looks for unwanted requests no more often; a run leaves them out by itself.
constexpr std::chrono::milliseconds kSweepInterval{5};

double Seconds(Clock::TimePoint::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::chrono::milliseconds Wait(double seconds) {
  constexpr double kLongest = 3600;
  return std::chrono::milliseconds(1 + static_cast<std::int64_t>(1e3 * std::clamp(seconds, 0.0, kLongest)));
}

std::string InSeconds(double seconds) {
  constexpr double kTenths = 1e4;
  const double rounded = std::round(seconds * kTenths) / kTenths;
  std::string text = std::to_string(rounded);
  return text.substr(0, text.size() - 2) + " s";
}

int LevelOf(double seconds, double turn_s) {
  int level = 0;
  for (double most = turn_s; seconds > most && level < kLevels - 1; most *= kLevelCosts) {
    ++level;
  }
  return level;
}

// The newest request that no run has had anything of.
std::optional<Request> TakeNewest(Lane& lane) {
  auto& queues = lane.queues;
  auto newest = queues.end();
  for (auto queue = queues.begin(); queue != queues.end(); ++queue) {
    if (queue->back().progress.done == 0 &&
        (newest == queues.end() || queue->back().enqueued >= newest->back().enqueued)) {
      newest = queue;
    }
  }
  if (newest == queues.end()) {
    return std::nullopt;
  }
  std::optional<Request> request(std::move(newest->back()));
  newest->pop_back();
  if (newest->empty()) {
    queues.erase(newest);
  }
  return request;
}

}  // namespace

Status Batcher::Submit(Request request) {
  Unwanted unwanted;
  Status status;
  {
    const MutexLock lock(mu_);
    if (closed_) {
      return Unavailable("the server is shutting down");
    }
    if (tree_.samples() + request.sample_count() > options_.max_queue) {
      unwanted = TakeUnwanted();
    }
    request.enqueued = clock_.Now();
    request.place.cost = request.network->costs->Estimate(*request.network->network, *request.spec);
    status = Refuse(request);
    if (status.ok()) {
      status = MakeRoom(request, unwanted);
    }
    if (status.ok()) {
      Enqueue(std::move(request), false);
      ++changes_;
      changed_.notify_one();
    }
  }
  Answer(std::move(unwanted));
  return status;
}

Status Batcher::Refuse(const Request& request) {
  const double own = request.place.cost.Seconds(request.sample_count());
  const auto servers = static_cast<double>(options_.servers);
  const double wait = std::max(tree_.Expected(LaneOf(request), own) - own, 0.0) / servers;
  const double left = Seconds(request.deadline - request.enqueued);
  if (request.place.cost.measured && left > 0 && wait + own > left) {
    if (own > left) {
      request.network->costs->Doubt(*request.spec);
    }
    return {StatusCode::kDeadlineExceeded, "the deadline cannot be met: it is in " + InSeconds(left) +
                                               ", the simulation takes about " + InSeconds(own) +
                                               " and is held up by others for " + InSeconds(wait)};
  }
  const double allowed = Seconds(options_.max_wait);
  if (wait <= allowed) {
    return {};
  }
  return ResourceExhausted("queue full: others would hold up the simulation for " + InSeconds(wait) +
                           ", allowed " + InSeconds(allowed) + " (--max-queue-ms)")
      .RetryAfter(Wait(wait - allowed));
}

Status Batcher::MakeRoom(const Request& request, Unwanted& unwanted) {
  const std::int64_t count = request.sample_count();
  const std::int64_t limit = options_.max_queue;
  const std::int64_t waiting = tree_.samples();
  if (waiting + count <= limit) {
    return {};
  }
  const double excess =
      static_cast<double>(waiting + count - limit) / static_cast<double>(std::max<std::int64_t>(waiting, 1));
  const auto retry = Wait(excess * tree_.work_s() / static_cast<double>(options_.servers));
  std::vector<Request> dropped;
  while (tree_.samples() + count > limit) {
    Node& own = LaneOf(request);
    Node& fullest = tree_.Fullest(own, count);
    std::optional<Request> newest;
    if (&fullest != &own && count <= limit) {
      newest = TakeNewest(fullest.leaf());
    }
    if (!newest) {  // it does not fit: nobody else is to be the worse for it
      std::for_each(dropped.rbegin(), dropped.rend(),
                    [this](Request& other) SPIKESERVE_REQUIRES(mu_) { Enqueue(std::move(other), false); });
      return ResourceExhausted("queue full: got " + std::to_string(count) + " samples, " +
                               std::to_string(waiting) + " waiting, limit " + std::to_string(limit) +
                               " (--max-queue)")
          .RetryAfter(retry);
    }
    Leave(*newest);
    dropped.push_back(std::move(*newest));
  }
  for (Request& other : dropped) {
    unwanted.requests.emplace_back(
        std::move(other),
        ResourceExhausted("queue full: the newest request of those who wait for most samples "
                          "made room for others, limit " +
                          std::to_string(limit) + " (--max-queue)")
            .RetryAfter(retry));
  }
  return {};
}

Batcher::Node& Batcher::LaneOf(const Request& request) {
  const double seconds = request.place.attained_s + request.place.cost.Seconds(request.samples_left());
  const int level = LevelOf(seconds, Seconds(options_.turn));
  return tree_.At({{request.tenant, request.weight},
                   {request.client, 1},
                   {request.network->name, 1},
                   {std::to_string(level), std::pow(kLevelShare, level)}});
}

void Batcher::Enqueue(Request request, bool first) {
  Node& lane = LaneOf(request);
  QueuePlace& place = request.place;
  place.lane = &lane;
  place.samples = request.samples_left();
  place.work_s = place.cost.Seconds(place.samples);
  tree_.Add(lane, place.work_s, place.samples);
  auto& queues = lane.leaf().queues;
  auto queue = std::find_if(queues.begin(), queues.end(), [&](const Lane::Queue& candidate) {
    return CanShareBatch(candidate.front(), request);
  });
  if (queue == queues.end()) {
    queue = queues.emplace(queues.end());
  }
  if (first) {
    queue->push_front(std::move(request));
  } else {
    queue->push_back(std::move(request));
  }
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
        run = TakeDue();
      }
      if (!run) {
        unwanted = TakeUnwanted();
        run = TakeDue();
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
    unwanted = TakeUnwanted();
    run = TakeDue();
  }
  Answer(std::move(unwanted));
  return run;
}

void Batcher::Sweep() {
  Unwanted unwanted;
  {
    const MutexLock lock(mu_);
    unwanted = TakeUnwanted();
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
Batcher::Unwanted Batcher::TakeUnwanted() {
  Unwanted unwanted;
  const Clock::TimePoint now = clock_.Now();
  swept_ = now;
  tree_.ForEach([&](Node& node) SPIKESERVE_REQUIRES(mu_) {
    for (Lane::Queue& queue : node.leaf().queues) {
      std::erase_if(queue, [&](Request& request) {
        Status status = StillWanted(request, now);
        const bool wanted = status.ok();
        if (!wanted) {
          unwanted.requests.emplace_back(std::move(request), std::move(status));
        }
        return !wanted;
      });
    }
    node.leaf().queues.remove_if([](const Lane::Queue& queue) { return queue.empty(); });
    node.leaf().parked.remove_if([&](Lane::Parked& parked) SPIKESERVE_REQUIRES(mu_) {
      auto sinks = parked.run->TakeUnwanted(now);
      std::move(sinks.begin(), sinks.end(), std::back_inserter(unwanted.sinks));
      const Batch& requests = parked.run->requests();
      const bool over =
          std::all_of(requests.begin(), requests.end(), [](const Request& r) { return !r.sink; });
      if (over) {
        begun_ -= parked.run->begun() ? 1 : 0;
        unwanted.runs.push_back(std::move(parked.run));
      }
      return over;
    });
    return true;
  });
  LeaveAll(unwanted);
  return unwanted;
}

void Batcher::LeaveAll(Unwanted& unwanted) {
  for (auto& [request, status] : unwanted.requests) {
    Leave(request);
  }
  for (const std::unique_ptr<Run>& run : unwanted.runs) {
    for (Request& request : run->requests()) {
      Leave(request);
    }
  }
}

void Batcher::Answer(Unwanted unwanted) {
  for (auto& [request, status] : unwanted.requests) {
    request.Answer(status, {});
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
  tree_.ForEach([&](Node& node) {
    for (const Lane::Queue& queue : node.leaf().queues) {
      next = std::min(next, queue.front().enqueued + options_.max_delay);
      for (const Request& request : queue) {
        next = std::min(next, request.deadline);
      }
    }
    for (const Lane::Parked& parked : node.leaf().parked) {
      for (const Request& request : parked.run->requests()) {
        next = request.sink == nullptr ? next : std::min(next, request.deadline);
      }
    }
    return true;
  });
  return next;
}

}  // namespace spikeserve::serving
