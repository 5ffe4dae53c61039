#include "server/serving/answers/answers.h"

#include <algorithm>
#include <iterator>
#include <new>
#include <stop_token>

#include "server/base/guarded.h"

namespace spikeserve::serving {
namespace {

// Longest wait in one go: keeps time-point arithmetic away from its limits.
constexpr std::chrono::hours kLongestWait{1};

double Seconds(Clock::TimePoint::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

Waiter WaiterOf(Request request, Tenant::Permit& permit, Clock::TimePoint now) {
  Waiter waiter{request.sink, request.deadline, request.cancelled, now, std::nullopt, &permit};
  waiter.request.emplace(std::move(request));
  return waiter;
}

// Whether a run failed for what an equal request need not run into.
bool MayDoBetter(StatusCode code) {
  return code == StatusCode::kCancelled || code == StatusCode::kDeadlineExceeded ||
         code == StatusCode::kResourceExhausted || code == StatusCode::kUnavailable;
}

// The owner leaves the flight; nothing where it has left before.
std::list<Waiter> TakeOwner(Flight& flight) {
  std::list<Waiter> owner;
  const auto found = std::find_if(flight.waiters.begin(), flight.waiters.end(),
                                  [&](const Waiter& waiter) { return &waiter == flight.owner; });
  if (found != flight.waiters.end()) {
    owner.splice(owner.end(), flight.waiters, found);
  }
  flight.owner = nullptr;
  return owner;
}

void Answer(Waiter& waiter, const Status& status, RunOutcome outcome) {
  if (waiter.request) {
    waiter.request->Answer(status, std::move(outcome));
  } else {
    waiter.sink->OnDone(status, std::move(outcome));
  }
}

// A run as one sees it who came when it was on its way.
RunOutcome SharedOutcome(const RunOutcome& outcome, Clock::TimePoint begun, Clock::TimePoint since,
                         Clock::TimePoint now) {
  const double waited = Seconds(now - since);
  const double queue_s = std::clamp(Seconds(begun - since) + outcome.queue_s, 0.0, waited);
  return {outcome.reading,    queue_s, std::min(outcome.compute_s, waited - queue_s),
          outcome.batch_size, {},      Reuse::kCoalesced};
}

}  // namespace

void Flight::OnDone(const Status& status, RunOutcome outcome) noexcept {
  answers.Finish(*this, status, std::move(outcome));
}

Answers::Answers(std::int64_t limit_bytes, Batcher& batcher, const Clock& clock, IsReady is_ready)
    : batcher_(batcher),
      clock_(clock),
      is_ready_(std::move(is_ready)),
      kept_(limit_bytes),
      thread_([this](const std::stop_token& stop) { Loop(stop); }) {}

Answers::~Answers() = default;

Status Answers::Submit(const AnswerKey& key, Request request, Tenant::Permit& permit) {
  const std::stop_token cancelled = request.cancelled;
  KeptAnswers::Reading kept;
  FlightHandle flight;
  {
    const MutexLock lock(mu_);
    kept = kept_.Find(key);
    if (!kept) {
      flight = Board(key, std::move(request), permit);
    } else {
      ++counts_.hits;
    }
  }
  if (kept) {
    request.Answer({}, {.reading = std::move(kept), .reuse = Reuse::kCached});
    return {};
  }
  if (!flight) {
    if (cancelled.stop_requested()) {  // before it was among those that are looked for
      Sweep();
    }
    return {};
  }
  Status status = Begin(flight);
  if (!status.ok()) {
    std::list<Waiter> refused;  // goes without the mutex
    const MutexLock lock(mu_);
    refused = TakeOwner(*flight);
    PassOn(flight);
  }
  return status;
}

Answers::FlightHandle Answers::Board(const AnswerKey& key, Request request, Tenant::Permit& permit) {
  const Flight::Key place(key, request.priority);
  const auto found = flights_.find(place);
  const Clock::TimePoint now = clock_.Now();
  if (found != flights_.end()) {
    found->second->waiters.push_back(WaiterOf(std::move(request), permit, now));
    const Clock::TimePoint deadline = found->second->waiters.back().deadline;
    found->second->ends_by->store(std::max(found->second->ends_by->load(), deadline));
    Watch(deadline);
    ++counts_.coalesced;
    return nullptr;
  }
  const NetworkEntry& network = *request.network;
  auto flight =
      std::make_shared<Flight>(*this, place, AnswerOrigin{network.name, network.version, network.instance});
  flight->waiters.push_back(WaiterOf(std::move(request), permit, now));
  flight->owner = &flight->waiters.back();
  flight->ends_by->store(flight->owner->deadline);
  flight->beginning = true;
  flight->place.emplace_back();
  flights_.emplace(place, flight);
  ++counts_.misses;
  return flight;
}

Status Answers::Begin(const FlightHandle& flight) {
  std::int64_t begin = 0;
  {
    const MutexLock lock(mu_);
    begin = flight->begins;
  }
  const Status status = Guarded([&] { return Run(*flight); });
  bool left = false;
  {
    const MutexLock lock(mu_);
    if (flight->begins != begin) {
      return status;  // its run is over already
    }
    flight->beginning = !status.ok();  // who is refused is left alone until it is taken out
    if (!status.ok()) {
      flight->own.reset();
    } else {
      Watch(flight->owner->deadline);
      left = flight->owner->cancelled.stop_requested();  // while it was left alone
    }
  }
  if (left) {
    Sweep();
  }
  return status;
}

Status Answers::Run(Flight& flight) {
  Waiter& owner = *flight.owner;
  if (Status status = owner.permit->TakeSamples(owner.request->sample_count()); !status.ok()) {
    return status;
  }
  Request run = std::move(*owner.request);
  owner.request.reset();
  run.sink = &flight;
  run.shared_deadline = flight.ends_by;
  run.cancelled = flight.unwanted.get_token();
  {
    const MutexLock lock(mu_);
    flight.begun = clock_.Now();
    flight.own = flight.shared_from_this();
  }
  Tenant::Permit& permit = *owner.permit;
  Status status = Guarded([&] { return batcher_.Submit(std::move(run)); });
  if (!status.ok()) {
    permit.ReturnSamples();
  }
  return status;
}

void Answers::TakeOver(const FlightHandle& flight) {
  const Status status = Begin(flight);
  if (status.ok()) {
    return;
  }
  std::list<Waiter> refused;
  {
    const MutexLock lock(mu_);
    refused = TakeOwner(*flight);
    PassOn(flight);
  }
  for (Waiter& waiter : refused) {
    Answer(waiter, status, {});
  }
}

void Answers::PassOn(const FlightHandle& flight) {
  if (flight->waiters.empty()) {
    Close(*flight);
    return;
  }
  flight->owner = &flight->waiters.front();
  flight->beginning = true;
  ++flight->begins;
  flight->place.front() = flight;
  ownerless_.splice(ownerless_.end(), flight->place);
  changed_.notify_one();
}

void Answers::Close(const Flight& flight) {
  const auto found = flights_.find(flight.key);
  if (found != flights_.end() && found->second.get() == &flight) {
    flights_.erase(found);
  }
}

void Answers::Finish(Flight& flight, const Status& status, RunOutcome outcome) {
  FlightHandle own;
  std::list<Waiter> over;
  const Waiter* owner = nullptr;
  {
    const MutexLock lock(mu_);
    own = std::move(flight.own);
    owner = flight.owner;
    flight.beginning = false;
    ++flight.begins;
    if (MayDoBetter(status.code())) {
      over = TakeOwner(flight);
      PassOn(own);
    } else {
      over.swap(flight.waiters);
      Close(flight);
      Keep(flight, outcome);
    }
  }
  const Clock::TimePoint now = clock_.Now();
  // What others see of it. Nothing is copied that may not fit into memory.
  const RunOutcome seen{outcome.reading, outcome.queue_s, outcome.compute_s, outcome.batch_size};
  for (Waiter& waiter : over) {
    if (&waiter == owner) {
      Answer(waiter, status, std::move(outcome));
    } else {
      Answer(waiter, status,
             status.ok() ? SharedOutcome(seen, flight.begun, waiter.since, now) : RunOutcome());
    }
  }
}

// What was unloaded before is not kept, what is unloaded after is dropped then.
void Answers::Keep(const Flight& flight, const RunOutcome& outcome) {
  try {
    if (outcome.reading && is_ready_(flight.origin)) {
      kept_.Keep(flight.key.first, flight.origin, outcome.reading);
    }
  } catch (const std::bad_alloc&) {  // it is given to those who wait, and simulated again for the next one
  }
}

void Answers::Sweep() {
  Flights ended;
  Verdicts verdicts;
  // What fails in it, for want of memory, is looked at again the next time.
  static_cast<void>(Guarded([&]() -> Status {
    const MutexLock lock(mu_);
    TakeUnwanted(ended, verdicts);
    return {};
  }));
  for (const FlightHandle& flight : ended) {
    flight->unwanted.request_stop();
  }
  if (!ended.empty()) {
    batcher_.Sweep();
  }
  for (auto& [waiter, status] : verdicts) {
    Answer(waiter, status, {});
  }
}

void Answers::TakeUnwanted(Flights& ended, Verdicts& verdicts) {
  const Clock::TimePoint now = clock_.Now();
  for (auto at = flights_.begin(); at != flights_.end();) {
    Flight& flight = *at->second;
    for (auto waiter = flight.waiters.begin(); waiter != flight.waiters.end();) {
      const bool owns = &*waiter == flight.owner;
      Status status =
          owns && flight.beginning ? Status() : StillWanted(waiter->deadline, waiter->cancelled, now);
      if (status.ok()) {
        ++waiter;
        continue;
      }
      verdicts.emplace_back(std::move(*waiter), std::move(status));
      if (owns) {  // only then: who begins a run looks at it without the mutex
        flight.owner = nullptr;
      }
      waiter = flight.waiters.erase(waiter);
    }
    if (!flight.waiters.empty()) {
      ++at;
      continue;
    }
    ended.push_back(at->second);
    at = flights_.erase(at);
  }
}

void Answers::DropUnloaded(const std::string& network) {
  const MutexLock lock(mu_);
  kept_.Drop([&](const AnswerOrigin& origin) { return origin.name == network && !is_ready_(origin); });
}

AnswerCounts Answers::counts() const {
  const MutexLock lock(mu_);
  AnswerCounts counts = counts_;
  counts.evicted = kept_.evicted();
  counts.kept = kept_.size();
  counts.bytes = kept_.bytes();
  return counts;
}

Clock::TimePoint Answers::NextDeadline() const {
  Clock::TimePoint next = Clock::TimePoint::max();
  for (const auto& [key, flight] : flights_) {
    for (const Waiter& waiter : flight->waiters) {
      if (!flight->beginning || &waiter != flight->owner) {
        next = std::min(next, waiter.deadline);
      }
    }
  }
  return next;
}

void Answers::Watch(Clock::TimePoint deadline) {
  if (deadline < wakes_) {
    look_ = true;
    changed_.notify_one();
  }
}

void Answers::Loop(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    FlightHandle flight;
    bool due = false;
    {
      const MutexLock lock(mu_);
      wakes_ = NextDeadline();
      look_ = false;
      const auto wait = std::min<Clock::TimePoint::duration>(wakes_ - clock_.Now(), kLongestWait);
      if (ownerless_.empty() && wait > Clock::TimePoint::duration::zero()) {
        changed_.wait_for(mu_, stop, wait,
                          [this]() SPIKESERVE_REQUIRES(mu_) { return look_ || !ownerless_.empty(); });
      }
      if (!ownerless_.empty()) {
        flight = std::move(ownerless_.front());
        flight->place.splice(flight->place.end(), ownerless_, ownerless_.begin());
      }
      due = clock_.Now() >= wakes_;
    }
    if (flight) {
      TakeOver(flight);
    }
    if (due) {
      Sweep();
    }
  }
}

}  // namespace spikeserve::serving
