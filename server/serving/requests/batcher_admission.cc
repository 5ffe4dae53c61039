// Who may wait, and where.

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>

#include "server/base/guarded.h"
#include "server/serving/requests/batcher.h"

namespace spikeserve::serving {
namespace {

// Each level is for requests of up to eight times the cost of the one before, and has half its share.
constexpr double kLevelCosts = 8;
constexpr double kLevelShare = 0.5;
// What it takes to make an answer and bring it to the client.
constexpr double kAnswerSeconds = 1e-3;
// Times the whole queue, that who is refused is told to wait at most: not all come back.
constexpr double kMostPromised = 16;
// Keeps time-point arithmetic away from its limits.
constexpr double kLongestPromise = 3600;
// What is left of a turn that takes longer than was expected.
constexpr double kLeastLeftSeconds = 5e-4;

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

std::size_t LevelOf(double seconds, double turn_s) {
  std::size_t level = 0;
  for (double most = turn_s; seconds > most && level < WaitForecast::kLevels - 1; most *= kLevelCosts) {
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
  if (std::optional<Status> done = RunAtOnce(request)) {
    return *std::move(done);
  }
  return QueueUp(std::move(request));
}

Status Batcher::QueueUp(Request request) {
  Unwanted unwanted;
  Status status = Guarded([&] {  // who is unwanted is answered whatever becomes of this one
    const MutexLock lock(mu_);
    return Admit(request, unwanted);
  });
  Answer(std::move(unwanted));
  return status;
}

Status Batcher::Admit(Request& request, Unwanted& unwanted) {
  if (closed_) {
    return Unavailable("the server is shutting down");
  }
  if (tree_.samples() + request.sample_count() > options_.max_queue) {
    TakeUnwanted(unwanted);
  }
  request.enqueued = clock_.Now();
  request.place.cost = request.network->costs->Estimate(*request.network->network, *request.spec);
  if (Status status = Refuse(request); !status.ok()) {
    return status;
  }
  if (Status status = MakeRoom(request, unwanted); !status.ok()) {
    return status;
  }
  forecast_.LetIn(request.place.level, request.enqueued);
  Enqueue(request, false);
  ++changes_;
  changed_.notify_one();
  return {};
}

Status Batcher::Refuse(Request& request) {
  const double own = request.place.cost.Seconds(request.sample_count());
  QueuePlace& place = request.place;
  place.level = LevelOf(own, Seconds(options_.turn));
  place.foreseen_s = Foresee(request, own);
  double wait = forecast_.Correct(place.level, place.foreseen_s, request.enqueued);
  const double left = Seconds(request.ends_by() - request.enqueued);
  const double allowed = Seconds(options_.max_wait);
  // To be there in time it has to be begun in time (StillPossible), and to get to the client.
  const auto needs = [own](double held_up) {
    return held_up > 0 ? held_up + kMargin * own + kAnswerSeconds : own;
  };
  const auto too_late = [&](double held_up) {
    return place.cost.measured && left > 0 && needs(held_up) > left;
  };
  const auto fits = [&](double held_up) { return !too_late(held_up) && held_up <= allowed; };
  if (!fits(wait) && fits(place.foreseen_s) &&
      forecast_.MayTry(place.level, std::min(left, allowed), request.enqueued)) {
    wait = place.foreseen_s;
  }
  if (too_late(wait)) {
    if (own > left) {
      request.network->costs->Doubt(*request.spec);
    }
    return {
        StatusCode::kDeadlineExceeded,
        "the deadline cannot be met: it is in " + InSeconds(left) + ", the simulation takes about " +
            InSeconds(own) + " and is held up by others for " + InSeconds(wait) +
            (wait > 0 ? ", with " + InSeconds(needs(wait) - own - wait) + " to spare for what is not foreseen"
                      : "")};
  }
  if (wait <= allowed) {
    return {};
  }
  return ResourceExhausted("queue full: others would hold up the simulation for " + InSeconds(wait) +
                           ", allowed " + InSeconds(allowed) + " (--max-queue-ms)")
      .RetryAfter(Wait(wait - allowed));
}

// Of a turn that is being worked on, all that is left; then those that are before it by their share, or all
// that waits where that lets foresee more.
double Batcher::Foresee(const Request& request, double own_s) {
  const Node& lane = LaneOf(request);
  const double first_s =
      static_cast<std::int64_t>(turn_ends_.size()) < options_.servers
          ? 0
          : std::max(Seconds(*std::min_element(turn_ends_.begin(), turn_ends_.end()) - request.enqueued),
                     kLeastLeftSeconds);
  const double before_s = tree_.Before(lane, Seconds(options_.turn));
  const double all_s = std::max(tree_.Expected(lane, own_s) - own_s, 0.0);
  const auto servers = static_cast<double>(options_.servers);
  return std::max(first_s + before_s / servers, all_s / servers);
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
  const auto retry =
      Wait(PromiseRoom(request, excess * tree_.work_s() / static_cast<double>(options_.servers)));
  unwanted.lost_why = ResourceExhausted(
                          "queue full: the newest request of those who wait for most samples "
                          "made room for others, limit " +
                          std::to_string(limit) + " (--max-queue)")
                          .RetryAfter(retry);
  Batch& dropped = unwanted.lost;
  while (tree_.samples() + count > limit) {
    if (dropped.size() == dropped.capacity()) {  // not once one is taken
      dropped.reserve(2 * dropped.size() + 1);
    }
    Node& own = LaneOf(request);
    Node& fullest = tree_.Fullest(own, count);
    std::optional<Request> newest;
    if (&fullest != &own && count <= limit) {
      newest = TakeNewest(fullest.leaf());
    }
    if (!newest) {  // it does not fit: nobody else is to be the worse for it
      std::for_each(dropped.rbegin(), dropped.rend(), [this](Request& other) SPIKESERVE_REQUIRES(mu_) {
        Enqueue(other, false);
        other.sink = nullptr;  // what is left here is not answered
      });
      return ResourceExhausted("queue full: got " + std::to_string(count) + " samples, " +
                               std::to_string(waiting) + " waiting, limit " + std::to_string(limit) +
                               " (--max-queue)")
          .RetryAfter(retry);
    }
    Leave(*newest);
    dropped.push_back(std::move(*newest));
  }
  return {};
}

// If all who find no room came back when there is some for one, all but one would be refused again, each at
// the price of a message that is read for nothing.
double Batcher::PromiseRoom(const Request& request, double room_s) {
  const Node& lane = LaneOf(request);
  const double own_s = request.place.cost.Seconds(request.sample_count());
  const auto servers = static_cast<double>(options_.servers);
  const double step_s = (tree_.Expected(lane, 2 * own_s) - tree_.Expected(lane, own_s)) / servers;
  const double longest_s = room_s + kMostPromised * tree_.work_s() / servers;
  const double wait_s =
      std::clamp(Seconds(promised_ - request.enqueued), room_s, std::max(room_s, longest_s));
  promised_ =
      request.enqueued + std::chrono::duration_cast<Clock::TimePoint::duration>(
                             std::chrono::duration<double>(std::min(wait_s + step_s, kLongestPromise)));
  return wait_s;
}

Batcher::Node& Batcher::LaneOf(const Request& request) {
  const double seconds = request.place.attained_s + request.place.cost.Seconds(request.samples_left());
  const std::size_t level = LevelOf(seconds, Seconds(options_.turn));
  return tree_.At({{request.tenant, request.weight},
                   {request.client, 1},
                   {request.network->name, 1},
                   {std::to_string(level), std::pow(kLevelShare, static_cast<double>(level))}});
}

}  // namespace spikeserve::serving
