// Whose turn it is, and what becomes of a run after its turn.

#include <algorithm>
#include <chrono>
#include <iterator>
#include <tuple>
#include <utility>

#include "server/base/guarded.h"
#include "server/serving/requests/batcher.h"

namespace spikeserve::serving {
namespace {

// What a step of priority is worth.
constexpr std::chrono::seconds kAgeing{1};
// A run of a kind that was never run works in turns where it has more steps than this.
constexpr std::int64_t kManySteps = 1000;
// More than any request has.
constexpr double kMostSamples = 1 << 30;
// Keeps time-point arithmetic away from its limits.
constexpr double kLongestTurn = 3600;

double Seconds(Clock::TimePoint::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// What is to be served first of a lane is the least.
std::tuple<std::int64_t, Clock::TimePoint> Rank(const Request& request, Clock::TimePoint now) {
  return {request.priority - (now - request.enqueued) / kAgeing, request.enqueued};
}

// Of so many samples of the request that no run has yet.
double RestSeconds(const Request& request, std::int64_t samples) {
  return samples > 0 ? request.place.cost.Seconds(samples) : 0;
}

std::int64_t SumOfTaken(const Batch& batch) {
  std::int64_t samples = 0;
  for (const Request& request : batch) {
    samples += request.progress.taken;
  }
  return samples;
}

}  // namespace

bool Batcher::IsDue(const Lane::Queue& queue) const {
  const Request& front = queue.front();
  return closed_ || front.progress.done > 0 || clock_.Now() - front.enqueued >= DelayOf(front) ||
         HasEnough(queue);
}

// As long as it pays, by what waiting has brought so far; not at all where a run costs nothing by itself.
Clock::TimePoint::duration Batcher::DelayOf(const Request& request) const {
  const CostEstimate& cost = request.place.cost;
  if (cost.measured && cost.Knee() <= 1) {
    return {};
  }
  return std::chrono::duration_cast<Clock::TimePoint::duration>(cost.patience * options_.max_delay);
}

bool Batcher::Holds(const Lane::Queue& queue, std::int64_t enough) {
  std::int64_t samples = 0;
  for (const Request& request : queue) {
    samples += request.samples_left();
    if (samples >= enough) {
      return true;
    }
  }
  return false;
}

bool Batcher::HasEnough(const Lane::Queue& queue) const {
  const CostEstimate& cost = queue.front().place.cost;
  return Holds(queue, cost.measured ? std::min(options_.max_batch, cost.Knee()) : options_.max_batch);
}

const char* Batcher::WhyDue(const Lane::Queue& queue) const {
  if (queue.front().progress.done > 0) {
    return "continued";
  }
  if (Holds(queue, options_.max_batch)) {
    return "full";
  }
  if (closed_) {
    return "draining";
  }
  return options_.max_delay.count() > 0 && !HasEnough(queue) ? "delay" : "free_worker";
}

std::unique_ptr<Run> Batcher::TakeDue(Unwanted& unwanted) {
  if (!unwanted.lost.empty()) {  // these first
    return nullptr;
  }
  try {
    return TakeNext(unwanted.lost);
  } catch (...) {
    unwanted.lost_why = Guarded([]() -> Status { throw; });
    for (Request& request : unwanted.lost) {
      Leave(request);
    }
    return nullptr;
  }
}

std::unique_ptr<Run> Batcher::TakeNext(Batch& taken) {
  Node* lane = tree_.Next([this](Lane& candidate) SPIKESERVE_REQUIRES(mu_) {
    return std::any_of(candidate.queues.begin(), candidate.queues.end(),
                       [this](const Lane::Queue& queue) SPIKESERVE_REQUIRES(mu_) { return IsDue(queue); }) ||
           std::any_of(candidate.parked.begin(), candidate.parked.end(),
                       [](const Lane::Parked& parked) { return !parked.blocked; });
  });
  if (lane == nullptr) {
    return nullptr;
  }
  turn_ends_.reserve(turn_ends_.size() + 1);  // before anything is taken
  std::unique_ptr<Run> run = TakeFrom(lane->leaf(), taken);
  Charge(*run);
  turn_ends_.push_back(run->turn_ends);
  run->freed_before = freed_;
  return run;
}

std::unique_ptr<Run> Batcher::TakeFrom(Lane& lane, Batch& taken) {
  const Clock::TimePoint now = clock_.Now();
  auto queue = lane.queues.end();
  for (auto it = lane.queues.begin(); it != lane.queues.end(); ++it) {
    if (IsDue(*it) && (queue == lane.queues.end() || Rank(it->front(), now) < Rank(queue->front(), now))) {
      queue = it;
    }
  }
  const auto rank = [now](const Lane::Parked& parked) { return Rank(parked.run->requests().front(), now); };
  auto parked = lane.parked.end();
  for (auto it = lane.parked.begin(); it != lane.parked.end(); ++it) {
    if (!it->blocked && (parked == lane.parked.end() || rank(*it) < rank(*parked))) {
      parked = it;
    }
  }
  if (parked == lane.parked.end() ||
      (queue != lane.queues.end() && Rank(queue->front(), now) < rank(*parked))) {
    return NewRun(lane, queue, taken);
  }
  std::unique_ptr<Run> run = std::move(parked->run);
  lane.parked.erase(parked);
  begun_ -= run->begun() ? 1 : 0;
  return run;
}

// As many samples as a turn has time for; a turn is at least twice as long as what a run costs by itself.
std::int64_t Batcher::FitsTurn(const CostEstimate& cost) const {
  const double time_s = std::max(Seconds(options_.turn) - cost.fixed_s, cost.fixed_s);
  const double most = cost.per_sample_s > 0 ? time_s / cost.per_sample_s : kMostSamples;
  const auto fits = static_cast<std::int64_t>(std::min(most, kMostSamples));
  return std::max(cost.measured ? fits : std::min(fits, options_.max_batch), options_.min_samples);
}

std::unique_ptr<Run> Batcher::NewRun(Lane& lane, std::list<Lane::Queue>::iterator queue, Batch& batch) {
  const char* why = WhyDue(*queue);
  const bool enough = HasEnough(*queue);
  batch.push_back(std::move(queue->front()));
  queue->pop_front();
  if (queue->empty()) {
    lane.queues.erase(queue);
  }
  Request& first = batch.front();
  const CostEstimate cost = first.place.cost;
  const std::int64_t fits = FitsTurn(cost);
  std::int64_t taken = first.samples_left();
  if (first.divisible() && taken > fits) {
    const std::int64_t turns = (taken + fits - 1) / fits;
    taken = (taken + turns - 1) / turns;  // so that all turns are about the same
  }
  first.progress.taken = taken;
  const bool unknown = !cost.measured && first.spec->settings.steps > kManySteps;
  const bool in_turns = unknown || !first.divisible() || cost.Seconds(taken) > 2 * Seconds(options_.turn);
  if (taken == first.samples_left()) {
    Join(batch, (in_turns ? options_.max_batch : std::min(options_.max_batch, fits)) - taken);
  }
  const bool joined = batch.size() > 1;
  if (options_.max_delay.count() > 0 && (joined || !enough)) {
    batch.front().network->costs->Waited(*batch.front().spec, joined);
  }
  return std::make_unique<Run>(std::move(batch), in_turns, why);
}

// Adds what can share the run, first of all from the lane of its first request, as long as there is room and
// nobody in it would miss a deadline for it.
void Batcher::Join(Batch& batch, std::int64_t room) {
  const Clock::TimePoint now = clock_.Now();
  std::int64_t samples = SumOfTaken(batch);
  Clock::TimePoint deadline = batch.front().ends_by();  // the first of all
  const auto fits = [&](const Request& request) {
    const std::int64_t more = request.samples_left();
    return more <= room &&
           HasTimeFor(request.place.cost, samples + more, std::min(deadline, request.ends_by()), now);
  };
  const auto join = [&](Node& node) SPIKESERVE_REQUIRES(mu_) {
    auto& queues = node.leaf().queues;
    for (auto queue = queues.begin(); queue != queues.end() && room > 0; ++queue) {
      if (!CanShareBatch(queue->front(), batch.front())) {
        continue;
      }
      while (!queue->empty() && fits(queue->front())) {
        batch.push_back(std::move(queue->front()));
        queue->pop_front();
        Request& request = batch.back();
        request.progress.taken = request.samples_left();
        room -= request.progress.taken;
        samples += request.progress.taken;
        deadline = std::min(deadline, request.ends_by());
      }
      if (queue->empty()) {
        queues.erase(queue);
      }
      break;  // of each kind there is one queue
    }
    return room > 0;
  };
  Node& own = PlaceOf(batch.front());
  if (room > 0 && join(own)) {
    tree_.ForEach([&](Node& node) SPIKESERVE_REQUIRES(mu_) { return &node == &own || join(node); });
  }
}

// Before a turn: who is served is charged what it is expected to take.
void Batcher::Charge(Run& run) {
  const double turn_s = Seconds(options_.turn);
  const std::int64_t samples = SumOfTaken(run.requests());
  const double all_s = run.requests().front().place.cost.Seconds(samples) * (1 - run.done());
  const double expected_s = run.in_turns() ? std::min(all_s, turn_s) : all_s;
  const Clock::TimePoint now = clock_.Now();
  run.turn_ends = now + std::chrono::duration_cast<Clock::TimePoint::duration>(
                            std::chrono::duration<double>(std::min(expected_s, kLongestTurn)));
  for (Request& request : run.requests()) {
    const double share = static_cast<double>(request.progress.taken) / static_cast<double>(samples);
    request.place.charged_s = expected_s * share;
    tree_.Charge(PlaceOf(request), request.place.charged_s);
    if (request.sink == nullptr) {
      Count(request, 0, 0);
      continue;
    }
    // What the run has left after this turn is still to come, though nobody can take it meanwhile.
    const std::int64_t left = request.samples_left() - request.progress.taken;
    Count(request, RestSeconds(request, left) + (all_s - expected_s) * share, left);
  }
}

// After a turn: what it did take.
void Batcher::Settle(Batch& requests, double turn_s) {
  const std::int64_t samples = std::max<std::int64_t>(SumOfTaken(requests), 1);
  for (Request& request : requests) {
    const double actual_s =
        turn_s * static_cast<double>(request.progress.taken) / static_cast<double>(samples);
    tree_.Charge(PlaceOf(request), actual_s - request.place.charged_s);
    request.place.charged_s = 0;
    request.place.attained_s += actual_s;
  }
}

void Batcher::Return(std::unique_ptr<Run> run) {
  Batch left_over;  // these go without the mutex: they may free much
  Batch ended;
  Status failure;
  {
    const MutexLock lock(mu_);
    failure = TakeBack(run, left_over, ended);
    WakeForWaiting();
  }
  for (Batch* batch : {&left_over, &ended}) {
    for (Request& request : *batch) {
      if (request.sink != nullptr) {
        request.Answer(failure, {});
      }
    }
  }
  if (run && !failure.ok()) {
    run->Fail(failure);
    run.reset();
    const MutexLock lock(mu_);
    Unblock();  // what it held may be enough for another
    WakeForWaiting();
  }
}

Status Batcher::TakeBack(std::unique_ptr<Run>& run, Batch& left_over, Batch& ended) {
  Status failure;
  turn_ends_.erase(std::find(turn_ends_.begin(), turn_ends_.end(), run->turn_ends));
  try {
    left_over = run->TakeLeftOver();
    Settle(left_over, 0);
    Settle(run->requests(), run->turn_s());
    failure = Requeue(left_over);
    if (run->ended()) {
      ended = std::move(*run).TakeRequests();
      Status again = Requeue(ended);
      Unblock();
      return again.ok() ? failure : again;
    }
    if (run->no_memory().ok() || freed_ != run->freed_before || OthersHoldMemory()) {
      Park(run);
      return failure;
    }
    failure = run->no_memory();
  } catch (...) {
    failure = Guarded([]() -> Status { throw; });
  }
  for (Request& request : run->requests()) {
    Leave(request);
  }
  return failure;
}

bool Batcher::OthersHoldMemory() {
  bool partly_done = false;
  tree_.ForEach([&](Node& node) {
    for (const Lane::Queue& queue : node.leaf().queues) {
      partly_done = partly_done || std::any_of(queue.begin(), queue.end(), [](const Request& request) {
                      return request.progress.reading_bytes.bytes() > 0;
                    });
    }
    return !partly_done;
  });
  return partly_done || !turn_ends_.empty() || short_ones_ > 0 || begun_ > 0;
}

// Between two turns a run waits in the lane of its first request.
void Batcher::Park(std::unique_ptr<Run>& run) {
  Lane& lane = PlaceOf(run->requests().front()).leaf();
  Lane::Parked& parked = lane.parked.emplace_back();  // first, as nothing after it fails
  for (Request& request : run->requests()) {
    if (request.sink == nullptr) {
      Count(request, 0, 0);
    } else {
      const std::int64_t rest = request.samples_left() - request.progress.taken;
      const double in_run_s = request.place.cost.Seconds(request.progress.taken) * (1 - run->done());
      Count(request, RestSeconds(request, rest) + in_run_s, rest + request.progress.taken);
    }
  }
  begun_ += run->begun() ? 1 : 0;
  parked.blocked = !run->no_memory().ok() && freed_ == run->freed_before;
  parked.run = std::move(run);
}

// Memory has become free.
void Batcher::Unblock() {
  ++freed_;
  tree_.ForEach([](Node& node) {
    for (Lane::Parked& parked : node.leaf().parked) {
      parked.blocked = false;
    }
    return true;
  });
}

// Those that have samples left wait again, before who came after them; of the others it is known now for how
// long they were held up.
Status Batcher::Requeue(Batch& requests) {
  Status failure;
  for (auto request = requests.rbegin(); request != requests.rend(); ++request) {
    Leave(*request);
    request->progress.taken = 0;
    if (request->sink == nullptr) {
      const std::int64_t done = request->progress.done;
      const QueuePlace& place = request->place;
      LearnWait(*request, done > 0 ? place.cost.Seconds(done) : place.attained_s, clock_.Now());
      continue;
    }
    try {
      request->place.cost = request->network->costs->Estimate(*request->network->network, *request->spec);
      Enqueue(*request, true);
      request->sink = nullptr;  // it is in the queue, what is left here is not answered
    } catch (...) {
      failure = Guarded([]() -> Status { throw; });
    }
  }
  return failure;
}

}  // namespace spikeserve::serving
