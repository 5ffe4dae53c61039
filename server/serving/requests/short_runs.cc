// Runs that the threads which bring their requests work on themselves: to hand a request to a worker, and its
// answer back, takes both longer than many a simulation does.

#include <utility>

#include "server/base/guarded.h"
#include "server/serving/requests/batcher.h"

namespace spikeserve::serving {

void Batcher::RunShortOnes(RunContext context, std::int64_t places) {
  short_context_.emplace(std::move(context));
  short_places_ = places;
}

std::optional<Status> Batcher::RunAtOnce(Request& request) {
  if (!short_context_ || !request.may_run_at_once || !request.divisible()) {
    return std::nullopt;
  }
  std::unique_ptr<Run> run;
  Status status = Guarded([&]() -> Status {
    run = TakeShort(request);
    return {};
  });
  if (!status.ok()) {
    return status;
  }
  if (!run) {
    return std::nullopt;
  }
  run->Work(*short_context_, {}, options_.turn);
  {
    const MutexLock lock(mu_);
    --short_ones_;
    Unblock();
    WakeForWaiting();
  }
  Batch requests = std::move(*run).TakeRequests();
  Request& own = requests.front();
  if (own.sink == nullptr) {
    return Status();
  }
  own.progress.taken = 0;  // there was no memory for all of it
  return QueueUp(std::move(own));
}

std::unique_ptr<Run> Batcher::TakeShort(Request& request) {
  request.place.cost = request.network->costs->Estimate(*request.network->network, *request.spec);
  if (!request.place.cost.IsShort(request.sample_count())) {
    return nullptr;
  }
  Batch batch;
  batch.reserve(1);
  {
    const MutexLock lock(mu_);
    if (!MayRunAtOnce(request)) {
      return nullptr;
    }
    ++short_ones_;
  }
  batch.push_back(std::move(request));
  batch.front().progress.taken = batch.front().sample_count();
  try {
    auto run = std::make_unique<Run>(std::move(batch), false, "short");
    run->StayOnThread();
    return run;
  } catch (...) {
    const MutexLock lock(mu_);
    --short_ones_;
    throw;
  }
}

// Whoever waits comes first, and a short request waits with them: for its turn, and to be merged with others.
bool Batcher::MayRunAtOnce(Request& request) {
  const std::int64_t working = static_cast<std::int64_t>(turn_ends_.size()) + short_ones_;
  if (closed_ || tree_.samples() > 0 || working >= short_places_) {
    return false;
  }
  request.enqueued = clock_.Now();
  return DelayOf(request) <= Clock::TimePoint::duration::zero() &&
         HasTimeFor(request.place.cost, request.sample_count(), request.ends_by(), request.enqueued);
}

}  // namespace spikeserve::serving
