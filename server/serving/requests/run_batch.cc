#include "server/serving/requests/run_batch.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "server/base/guarded.h"
#include "server/serving/requests/slice_reading.h"

namespace spikeserve::serving {
namespace {

double Seconds(Clock::TimePoint::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// One simulation for several requests; a request with a sink is not answered yet. Used by one thread, once.
class Run {
 public:
  Run(Batch& batch, std::int64_t sample_count, const RunContext& context, const std::stop_token& stop)
      : batch_(batch),
        context_(context),
        stop_(stop),
        sample_count_(sample_count),
        spec_(batch.front().spec),
        report_every_(batch.front().report_every),
        chunk_steps_(batch.front().network->resident->chunk_steps()),
        statistics_(batch.front().network->statistics),
        started_(context.clock.Now()) {
    for (const Request& request : batch_) {
      counts_.push_back(request.sample_count());
      oldest_ = std::min(oldest_, request.enqueued);
    }
  }

  Status Execute();
  RunRecord Record() const;

 private:
  bool AllAnswered() const {
    return std::all_of(batch_.begin(), batch_.end(), [](const Request& r) { return r.sink == nullptr; });
  }

  // Whether nobody waits any more. Thread-safe while no request is answered.
  bool Unwanted() const {
    if (stop_.stop_requested()) {
      return true;
    }
    const Clock::TimePoint now = context_.clock.Now();
    return std::none_of(batch_.begin(), batch_.end(), [now](const Request& request) {
      return request.sink != nullptr && StillWanted(request, now).ok();
    });
  }

  Status Start();
  Status AdvanceToEnd();
  Status Report();
  Status Finish();
  Status DropUnwanted();
  void AnswerOne(std::size_t index, std::int64_t first, engine::Reading& reading);
  // Whether the reading of the run is that of one request, which may have it without a copy.
  bool IsAlone() const { return batch_.size() == 1; }

  Batch& batch_;
  const RunContext& context_;
  const std::stop_token& stop_;
  const std::int64_t sample_count_;
  const engine::CheckedSpec spec_;
  const std::int64_t report_every_;
  const std::int64_t chunk_steps_;
  const std::shared_ptr<NetworkStatistics> statistics_;
  const Clock::TimePoint started_;
  Clock::TimePoint oldest_ = Clock::TimePoint::max();
  std::vector<std::int64_t> counts_;  // samples by request
  std::unique_ptr<engine::Simulation> simulation_;
  std::int64_t steps_done_ = 0;
  std::int64_t spikes_ = 0;
};

Status Run::Execute() {
  if (Status status = Start(); !status.ok()) {
    return status;
  }
  if (Status status = AdvanceToEnd(); !status.ok() || AllAnswered()) {
    return status;
  }
  return Finish();
}

Status Run::Start() {
  std::vector<engine::SampleInputs> samples;
  for (const Request& request : batch_) {
    samples.insert(samples.end(), request.samples.begin(), request.samples.end());
  }
  auto simulation = batch_.front().network->resident->NewSimulation(spec_, samples);
  if (!simulation.ok()) {
    return simulation.status();
  }
  simulation_ = std::move(simulation).value();
  return {};
}

Status Run::AdvanceToEnd() {
  const std::int64_t steps = spec_->settings.steps;
  while (steps_done_ < steps && !AllAnswered() && !simulation_->finished()) {
    std::int64_t chunk =
        spec_->in_one ? steps : std::min({context_.max_chunk_steps, chunk_steps_, steps - steps_done_});
    if (report_every_ > 0) {
      chunk = std::min(chunk, report_every_ - steps_done_ % report_every_);
    }
    const Status advanced = simulation_->Advance(chunk, [this] { return Unwanted(); });
    if (advanced.code() == StatusCode::kCancelled) {
      return DropUnwanted();
    }
    if (!advanced.ok()) {
      return advanced;
    }
    steps_done_ += chunk;
    if (Status status = DropUnwanted(); !status.ok()) {
      return status;
    }
    if (steps_done_ == steps || report_every_ == 0 || steps_done_ % report_every_ != 0) {
      continue;
    }
    if (Status status = Report(); !status.ok()) {
      return status;
    }
  }
  return {};
}

Status Run::Report() {
  Result<engine::Reading> reading = simulation_->Read();
  if (!reading.ok()) {
    return reading.status();
  }
  std::int64_t first = 0;
  for (std::size_t i = 0; i < batch_.size(); first += counts_[i++]) {
    if (batch_[i].sink == nullptr) {
      continue;
    }
    batch_[i].sink->OnProgress(IsAlone() ? ReadoutOf(std::move(reading).value())
                                         : SliceReadout(reading.value(), first, counts_[i]));
  }
  return {};
}

Status Run::Finish() {
  Result<engine::Reading> reading = simulation_->TakeReading();
  if (!reading.ok()) {
    return reading.status();
  }
  simulation_.reset();  // before its inputs and network go
  statistics_->CountRun(sample_count_, Seconds(context_.clock.Now() - started_));  // who is answered may look
  std::int64_t first = 0;
  for (std::size_t i = 0; i < batch_.size(); first += counts_[i++]) {
    if (batch_[i].sink != nullptr) {
      AnswerOne(i, first, reading.value());
    }
  }
  return {};
}

void Run::AnswerOne(std::size_t index, std::int64_t first, engine::Reading& reading) {
  Request& request = batch_[index];
  if (Status status = FirstFailure(reading, first, counts_[index]); !status.ok()) {
    request.Answer(status, {});
    return;
  }
  RunOutcome outcome{IsAlone() ? std::move(reading) : SliceReading(reading, first, counts_[index]),
                     Seconds(started_ - request.enqueued), Seconds(context_.clock.Now() - started_),
                     sample_count_};
  spikes_ += CountSpikes(outcome.reading);
  request.Answer({}, std::move(outcome));
}

// Answers who no longer waits, but keeps their inputs: the simulation still reads them.
Status Run::DropUnwanted() {
  if (stop_.stop_requested()) {
    return Unavailable("the server shut down before the simulation ended");
  }
  const Clock::TimePoint now = context_.clock.Now();
  for (Request& request : batch_) {
    if (request.sink == nullptr) {
      continue;
    }
    if (Status status = StillWanted(request, now); !status.ok()) {
      std::exchange(request.sink, nullptr)->OnDone(status, {});
    }
  }
  return {};
}

RunRecord Run::Record() const {
  return {static_cast<std::int64_t>(batch_.size()),
          sample_count_,
          steps_done_,
          spikes_,
          Seconds(started_ - oldest_),
          Seconds(context_.clock.Now() - started_)};
}

Status Execute(Batch& batch, std::int64_t samples, const RunContext& context, const std::stop_token& stop) {
  Run run(batch, samples, context, stop);
  Status status = run.Execute();
  if (context.on_run) {
    context.on_run(run.Record());
  }
  return status;
}

Batch SecondHalf(Batch& batch) {
  const auto middle = batch.begin() + static_cast<std::ptrdiff_t>(batch.size() / 2);
  Batch second(std::make_move_iterator(middle), std::make_move_iterator(batch.end()));
  batch.erase(middle, batch.end());
  return second;
}

void AnswerUnwanted(Batch& batch, Clock::TimePoint now) {
  for (Request& request : batch) {
    if (Status status = StillWanted(request, now); !status.ok()) {
      request.Answer(status, {});
    }
  }
  std::erase_if(batch, [](const Request& request) { return request.sink == nullptr; });
}

// Leaves unanswered only what shares the returned status.
Status ReserveAndExecute(Batch& batch, const RunContext& context, const std::stop_token& stop) {
  if (stop.stop_requested()) {
    return Unavailable("the server shut down before the simulation started");
  }
  AnswerUnwanted(batch, context.clock.Now());
  if (batch.empty()) {
    return {};
  }
  const std::int64_t samples =
      std::accumulate(batch.begin(), batch.end(), std::int64_t{0},
                      [](std::int64_t sum, const Request& r) { return sum + r.sample_count(); });
  const Request& first = batch.front();
  const auto reservation =
      context.budget.Reserve(first.network->resident->EstimateRunBytes(first.spec, samples),
                             "a run of " + std::to_string(samples) + " samples");
  if (reservation.ok()) {
    return Execute(batch, samples, context, stop);
  }
  if (batch.size() == 1) {
    return reservation.status();
  }
  // Requests that fit alone must not fail because they were put together.
  Batch second = SecondHalf(batch);
  RunBatch(std::move(batch), context, stop);
  RunBatch(std::move(second), context, stop);
  batch.clear();
  return {};
}

}  // namespace

void RunBatch(Batch batch, const RunContext& context, const std::stop_token& stop) {
  if (batch.empty()) {
    return;
  }
  Status status = Guarded([&] { return ReserveAndExecute(batch, context, stop); });
  if (status.ok()) {
    status = Status(StatusCode::kInternal, "no answer");
  }
  for (Request& request : batch) {
    if (request.sink != nullptr) {
      request.Answer(status, {});
    }
  }
}

}  // namespace spikeserve::serving
