#include "server/serving/requests/run.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <new>
#include <span>
#include <string>

#include "server/base/guarded.h"
#include "server/serving/requests/slice_reading.h"

namespace spikeserve::serving {
namespace {

double Seconds(Clock::TimePoint::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// Enough to see where the time of a run went.
constexpr std::size_t kMaxChunkMarks = 64;

}  // namespace

Run::Run(Batch&& batch, bool in_turns, const char* released)
    : spec_(in_turns && batch.front().spec->in_one ? batch.front().spec.InChunks() : batch.front().spec),
      batch_(std::move(batch)),
      in_turns_(in_turns),
      released_(released),
      report_every_(batch_.front().report_every),
      traced_(
          std::any_of(batch_.begin(), batch_.end(), [](const Request& request) { return request.traced; })) {}

Run::~Run() = default;

void Run::Work(const RunContext& context, const std::stop_token& stop, Clock::TimePoint::duration turn) {
  turn_began_ = context.clock.Now();
  no_memory_ = {};
  const Status status = Guarded([&] { return WorkGuarded(context, stop, turn_began_ + turn); });
  turn_s_ = Seconds(context.clock.Now() - turn_began_);
  earlier_turns_s_ += turn_s_;
  if (!status.ok()) {  // of those that it was about: others are left over
    FailFirst(parts_.empty() ? batch_.size() : parts_.back().request + 1, status);
  }
  if (ended_) {
    simulation_.reset();
    reservation_.ShrinkTo(0);
  }
}

Status Run::WorkGuarded(const RunContext& context, const std::stop_token& stop, Clock::TimePoint until) {
  if (!simulation_) {
    if (Status status = Begin(context, stop); !status.ok() || !simulation_) {
      return status;
    }
  }
  Status status = Advance(context, stop, until);
  ended_ = !status.ok() || AllAnswered() || simulation_->finished() || steps_done_ == spec_->settings.steps;
  if (status.ok() && ended_ && !AllAnswered()) {
    return Finish(context);
  }
  if (ended_) {
    Record(context);
  }
  return status;
}

Status Run::Begin(const RunContext& context, const std::stop_token& stop) {
  if (stop.stop_requested()) {
    return Unavailable("the server shut down before the simulation started");
  }
  ended_ = AnswerUnwanted(context.clock.Now());
  if (ended_) {
    return {};
  }
  Status reserved = Reserve(context.budget);
  while (!reserved.ok()) {  // what fits alone must not fail because it was put together
    if (!TakeLess()) {
      no_memory_ = std::move(reserved);
      return {};
    }
    reserved = Reserve(context.budget);
  }
  const Clock::TimePoint now = context.clock.Now();
  for (const Part& part : parts_) {
    Request& request = batch_[part.request];
    if (request.progress.done == 0) {
      request.progress.queue_s = Seconds(now - request.enqueued);
    }
    queue_s_ = std::max(queue_s_, request.progress.queue_s);
  }
  return NewSimulation();
}

// Whether nobody is left.
bool Run::AnswerUnwanted(Clock::TimePoint now) {
  parts_.clear();
  std::int64_t first = 0;
  for (std::size_t i = 0; i < batch_.size(); ++i) {
    if (batch_[i].sink == nullptr) {
      continue;
    }
    if (Status status = StillPossible(batch_[i], now); !status.ok()) {
      batch_[i].progress.taken = 0;
      batch_[i].Answer(status, {});
      continue;
    }
    parts_.push_back({i, first, batch_[i].progress.taken});
    first += batch_[i].progress.taken;
  }
  return parts_.empty();
}

std::int64_t Run::samples() const { return parts_.empty() ? 0 : parts_.back().first + parts_.back().count; }

Status Run::Reserve(MemoryBudget& budget) {
  // Of a request that is not simulated in one run, the results so far are kept.
  for (const Part& part : parts_) {
    Request& request = batch_[part.request];
    if (part.count == request.sample_count() || request.progress.reading_bytes.bytes() > 0) {
      continue;
    }
    auto bytes = budget.Reserve(request.result_bytes, "the results of a request");
    if (!bytes.ok()) {
      return bytes.status();
    }
    request.progress.reading_bytes = std::move(bytes).value();
  }
  auto reservation = budget.Reserve(network().resident->EstimateRunBytes(spec_, samples()),
                                    "a run of " + std::to_string(samples()) + " samples");
  if (!reservation.ok()) {
    return reservation.status();
  }
  reservation_ = std::move(reservation).value();
  return {};
}

// Leaves half of the requests, or of the one request's samples, for later.
bool Run::TakeLess() {
  if (parts_.size() > 1) {
    parts_.resize((parts_.size() + 1) / 2);
    return true;
  }
  Part& part = parts_.front();
  if (part.count == 1 || !batch_[part.request].divisible()) {
    return false;
  }
  part.count = (part.count + 1) / 2;
  batch_[part.request].progress.taken = part.count;
  return true;
}

Batch Run::TakeLeftOver() {
  Batch left_over;
  if (!simulation_ && !ended_) {
    return left_over;
  }
  const std::size_t kept = parts_.empty() ? batch_.size() : parts_.back().request + 1;
  const auto begin = batch_.begin() + static_cast<std::ptrdiff_t>(kept);
  left_over.assign(std::make_move_iterator(begin), std::make_move_iterator(batch_.end()));
  batch_.erase(begin, batch_.end());
  return left_over;
}

Status Run::NewSimulation() {
  const auto inputs_of = [this](const Part& part) {
    const Request& request = batch_[part.request];
    return std::span(request.samples)
        .subspan(static_cast<std::size_t>(request.progress.done), static_cast<std::size_t>(part.count));
  };
  std::vector<engine::SampleInputs> joined;
  for (const Part& part : parts_) {
    if (parts_.size() > 1) {
      const auto inputs = inputs_of(part);
      joined.insert(joined.end(), inputs.begin(), inputs.end());
    }
  }
  auto simulation = network().resident->NewSimulation(
      spec_, joined.empty() ? inputs_of(parts_.front()) : std::span<const engine::SampleInputs>(joined));
  if (!simulation.ok()) {
    return simulation.status();
  }
  simulation_ = std::move(simulation).value();
  if (stays_) {
    simulation_->StayOnThread();
  }
  return {};
}

std::int64_t Run::NextChunk(const RunContext& context) const {
  const std::int64_t left = spec_->settings.steps - steps_done_;
  if (spec_->in_one) {
    return left;
  }
  const std::int64_t chunk = std::min({context.max_chunk_steps, network().resident->chunk_steps(), left});
  return WantsReport() ? std::min(chunk, report_every_ - steps_done_ % report_every_) : chunk;
}

Status Run::Advance(const RunContext& context, const std::stop_token& stop, Clock::TimePoint until) {
  const std::int64_t steps = spec_->settings.steps;
  while (steps_done_ < steps && !AllAnswered() && !simulation_->finished()) {
    const std::int64_t chunk = NextChunk(context);
    const Status advanced = simulation_->Advance(chunk, [&] { return Unwanted(stop, context.clock); });
    if (advanced.code() == StatusCode::kCancelled) {
      return DropUnwanted(context, stop);
    }
    if (!advanced.ok()) {
      return advanced;
    }
    steps_done_ += chunk;
    MarkChunk(chunk, context.clock);
    if (Status status = DropUnwanted(context, stop); !status.ok()) {
      return status;
    }
    if (WantsReport() && steps_done_ < steps && steps_done_ % report_every_ == 0) {
      if (Status status = Report(); !status.ok()) {
        return status;
      }
    }
    if (in_turns_ && context.clock.Now() >= until) {
      return {};
    }
  }
  return {};
}

// While nobody does, no reading is made, and steps run in whole chunks.
bool Run::WantsReport() const {
  return report_every_ > 0 && std::any_of(parts_.begin(), parts_.end(), [this](const Part& part) {
           ResultSink* sink = batch_[part.request].sink;
           return sink != nullptr && sink->WantsProgress();
         });
}

bool Run::AllAnswered() const {
  return std::all_of(parts_.begin(), parts_.end(),
                     [this](const Part& part) { return batch_[part.request].sink == nullptr; });
}

// Whether nobody waits any more. Thread-safe while no request is answered.
bool Run::Unwanted(const std::stop_token& stop, const Clock& clock) const {
  if (stop.stop_requested()) {
    return true;
  }
  const Clock::TimePoint now = clock.Now();
  return std::none_of(parts_.begin(), parts_.end(), [&](const Part& part) {
    const Request& request = batch_[part.request];
    return request.sink != nullptr && StillWanted(request, now).ok();
  });
}

// Answers who no longer waits, but keeps their inputs: the simulation still reads them.
Status Run::DropUnwanted(const RunContext& context, const std::stop_token& stop) {
  if (stop.stop_requested()) {
    return Unavailable("the server shut down before the simulation ended");
  }
  for (const auto& [sink, status] : TakeUnwanted(context.clock.Now())) {
    sink->OnDone(status, {});
  }
  return {};
}

std::vector<std::pair<ResultSink*, Status>> Run::TakeUnwanted(Clock::TimePoint now) {
  std::vector<std::pair<ResultSink*, Status>> unwanted;
  for (Request& request : batch_) {
    if (request.sink == nullptr) {
      continue;
    }
    try {
      if (Status status = StillWanted(request, now); !status.ok()) {
        unwanted.emplace_back(request.sink, std::move(status));
        request.sink = nullptr;
      }
    } catch (const std::bad_alloc&) {  // the rest is found the next time
      break;
    }
  }
  return unwanted;
}

Status Run::Report() {
  Result<engine::Reading> reading = simulation_->Read();
  if (!reading.ok()) {
    return reading.status();
  }
  for (const Part& part : parts_) {
    const Request& request = batch_[part.request];
    if (request.sink != nullptr && request.sink->WantsProgress()) {
      request.sink->OnProgress(parts_.size() == 1 ? ReadoutOf(std::move(reading).value())
                                                  : SliceReadout(reading.value(), part.first, part.count));
    }
  }
  return {};
}

double Run::ComputeSeconds(const Clock& clock) const {
  return earlier_turns_s_ + Seconds(clock.Now() - turn_began_);
}

Status Run::Finish(const RunContext& context) {
  Result<engine::Reading> reading = simulation_->TakeReading();
  if (reading.ok()) {
    CountAnswers(reading.value());
  }
  Record(context);  // before anybody is answered, who may look
  if (!reading.ok()) {
    return reading.status();
  }
  const double worked_s = simulation_->worked_s();
  simulation_.reset();  // before its inputs and network go
  const NetworkEntry& of = network();
  const double compute_s = ComputeSeconds(context.clock);
  of.statistics->CountRun(samples(), compute_s);
  of.costs->Learn(*spec_, samples(), steps_done_, compute_s, worked_s);
  for (const Part& part : parts_) {
    if (batch_[part.request].sink == nullptr) {
      continue;
    }
    if (Status status = AnswerPart(part, reading.value(), context); !status.ok()) {
      batch_[part.request].Answer(status, {});
    }
  }
  return {};
}

// Adds up the spikes of the samples that will be answered with a result.
void Run::CountAnswers(const engine::Reading& reading) {
  for (const Part& part : parts_) {
    if (batch_[part.request].sink != nullptr && FirstFailure(reading, part.first, part.count).ok()) {
      spikes_ += CountSpikes(reading, part.first, part.count);
    }
  }
}

// Answers the request, or keeps this part of its result until the rest is there.
Status Run::AnswerPart(const Part& part, engine::Reading& reading, const RunContext& context) {
  Request& request = batch_[part.request];
  RequestProgress& progress = request.progress;
  if (Status status = FirstFailure(reading, part.first, part.count, progress.done); !status.ok()) {
    return status;
  }
  engine::Reading own =
      parts_.size() == 1 ? std::move(reading) : SliceReading(reading, part.first, part.count);
  progress.compute_s += ComputeSeconds(context.clock);
  progress.batch_size = std::max(progress.batch_size, samples());
  const bool whole = part.count == request.sample_count();
  progress.done += part.count;
  if (!whole) {
    AppendReading(std::move(own), request.sample_count(), progress.reading);
  }
  if (progress.done < request.sample_count()) {
    return {};
  }
  RunOutcome outcome{
      std::make_shared<const engine::Reading>(whole ? std::move(own) : std::move(progress.reading)),
      progress.queue_s, progress.compute_s, progress.batch_size,
      request.traced ? chunks_ : std::vector<ChunkMark>()};
  request.Answer({}, std::move(outcome));
  return {};
}

void Run::MarkChunk(std::int64_t steps, const Clock& clock) {
  if (traced_ && chunks_.size() < kMaxChunkMarks) {
    chunks_.push_back({clock.Now(), steps});
  }
}

void Run::Record(const RunContext& context) const {
  if (context.on_run) {
    context.on_run({static_cast<std::int64_t>(parts_.size()), samples(), steps_done_, spikes_, queue_s_,
                    ComputeSeconds(context.clock), released_});
  }
}

void Run::Fail(const Status& status) { FailFirst(batch_.size(), status); }

void Run::FailFirst(std::size_t requests, const Status& status) {
  ended_ = true;
  simulation_.reset();
  reservation_.ShrinkTo(0);
  for (std::size_t i = 0; i < requests; ++i) {
    if (batch_[i].sink != nullptr) {
      batch_[i].Answer(status, {});
    }
  }
}

}  // namespace spikeserve::serving
