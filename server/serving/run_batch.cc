#include "server/serving/run_batch.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <iterator>
#include <memory>
#include <new>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/serving/slice_reading.h"

namespace spikeserve::serving {
namespace {

double Seconds(Clock::TimePoint::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// One simulation for several requests. Used by one thread, once.
class Run {
 public:
  Run(Batch batch, const RunContext& context, std::stop_token stop)
      : batch_(std::move(batch)), context_(context), stop_(std::move(stop)),
        answered_(batch_.size(), false) {
    for (const Request& request : batch_) {
      first_sample_.push_back(sample_count_);
      sample_count_ += request.sample_count();
    }
  }

  void Execute();

 private:
  const engine::SimulationSpec& spec() const { return batch_.front().spec; }
  std::int64_t report_every() const { return batch_.front().report_every; }
  bool AllAnswered() const {
    return std::all_of(answered_.begin(), answered_.end(), [](bool answered) { return answered; });
  }

  Status Start();
  Status AdvanceToEnd();
  Status Report();
  Status Finish();
  void DropUnwanted();
  void Answer(std::size_t index, const Status& status, RunOutcome outcome);
  void AnswerRest(const Status& status);
  void Record() const;

  Batch batch_;
  const RunContext& context_;
  const std::stop_token stop_;
  std::vector<bool> answered_;
  std::vector<std::int64_t> first_sample_;
  std::int64_t sample_count_ = 0;
  std::unique_ptr<engine::Simulation> simulation_;
  std::int64_t steps_done_ = 0;
  std::int64_t spikes_ = 0;
  Clock::TimePoint started_;
};

void Run::Execute() {
  started_ = context_.clock.Now();
  Status status;
  try {
    DropUnwanted();
    if (!AllAnswered()) status = Start();
    if (status.ok() && !AllAnswered()) status = AdvanceToEnd();
    if (status.ok() && !AllAnswered()) status = Finish();
  } catch (const std::bad_alloc&) {
    status = ResourceExhausted("out of memory while running " + std::to_string(sample_count_) +
                               " samples");
  } catch (const std::exception& error) {
    status = Internal(std::string("while running: ") + error.what());
  }
  simulation_.reset();
  AnswerRest(status.ok() ? Internal("the run ended without an answer") : status);
  Record();
}

Status Run::Start() {
  std::vector<engine::SampleInputs> samples;
  for (const Request& request : batch_) {
    samples.insert(samples.end(), request.samples.begin(), request.samples.end());
  }
  auto simulation = batch_.front().network->resident->NewSimulation(spec(), samples);
  if (!simulation.ok()) return simulation.status();
  simulation_ = std::move(simulation).value();
  return {};
}

Status Run::AdvanceToEnd() {
  const std::int64_t steps = spec().settings.steps;
  while (steps_done_ < steps && !AllAnswered()) {
    std::int64_t chunk = std::min(context_.max_chunk_steps, steps - steps_done_);
    if (report_every() > 0) {
      chunk = std::min(chunk, report_every() - steps_done_ % report_every());
    }
    if (Status status = simulation_->Advance(chunk); !status.ok()) return status;
    steps_done_ += chunk;
    DropUnwanted();
    if (steps_done_ == steps || report_every() == 0 || steps_done_ % report_every() != 0) continue;
    if (Status status = Report(); !status.ok()) return status;
  }
  return {};
}

Status Run::Report() {
  const Result<engine::Reading> reading = simulation_->Read();
  if (!reading.ok()) return reading.status();
  for (std::size_t i = 0; i < batch_.size(); ++i) {
    if (answered_[i]) continue;
    batch_[i].sink->OnProgress(SliceReading(reading.value(), spec(), first_sample_[i],
                                            batch_[i].sample_count()));
  }
  return {};
}

Status Run::Finish() {
  Result<engine::Reading> result = simulation_->Read();
  if (!result.ok()) return result.status();
  const engine::Reading& reading = result.value();
  const double compute_s = Seconds(context_.clock.Now() - started_);
  for (std::size_t i = 0; i < batch_.size(); ++i) {
    if (answered_[i]) continue;
    const std::int64_t count = batch_[i].sample_count();
    if (Status status = FirstFailure(reading, first_sample_[i], count); !status.ok()) {
      Answer(i, status, {});
      continue;
    }
    RunOutcome outcome{SliceReading(reading, spec(), first_sample_[i], count),
                       Seconds(started_ - batch_[i].enqueued), compute_s, sample_count_};
    spikes_ += CountSpikes(outcome.reading);
    Answer(i, {}, std::move(outcome));
  }
  return {};
}

void Run::DropUnwanted() {
  if (stop_.stop_requested()) {
    AnswerRest(Unavailable("the server shut down before the simulation ended"));
  }
  const Clock::TimePoint now = context_.clock.Now();
  for (std::size_t i = 0; i < batch_.size(); ++i) {
    if (answered_[i]) continue;
    if (Status status = StillWanted(batch_[i], now); !status.ok()) Answer(i, status, {});
  }
}

void Run::Answer(std::size_t index, const Status& status, RunOutcome outcome) {
  answered_[index] = true;  // first: a sink is never called again, even if this call throws
  batch_[index].sink->OnDone(status, std::move(outcome));
}

void Run::AnswerRest(const Status& status) {
  for (std::size_t i = 0; i < batch_.size(); ++i) {
    if (!answered_[i]) Answer(i, status, {});
  }
}

void Run::Record() const {
  if (!context_.on_run) return;
  const auto oldest = std::min_element(
      batch_.begin(), batch_.end(),
      [](const Request& a, const Request& b) { return a.enqueued < b.enqueued; });
  context_.on_run({static_cast<std::int64_t>(batch_.size()), sample_count_, steps_done_, spikes_,
                   Seconds(started_ - oldest->enqueued),
                   Seconds(context_.clock.Now() - started_)});
}

}  // namespace

void RunBatch(Batch batch, const RunContext& context, std::stop_token stop) {
  if (batch.empty()) return;
  const std::int64_t samples =
      std::accumulate(batch.begin(), batch.end(), std::int64_t{0},
                      [](std::int64_t sum, const Request& r) { return sum + r.sample_count(); });
  const Request& first = batch.front();
  const auto reservation = context.budget.Reserve(
      first.network->resident->EstimateRunBytes(first.spec, samples),
      "a run of " + std::to_string(samples) + " samples");
  if (!reservation.ok() && batch.size() > 1) {
    // Requests that fit alone must not fail because they were put together.
    const auto middle = batch.begin() + static_cast<std::ptrdiff_t>(batch.size() / 2);
    Batch second(std::make_move_iterator(middle), std::make_move_iterator(batch.end()));
    batch.erase(middle, batch.end());
    RunBatch(std::move(batch), context, stop);
    RunBatch(std::move(second), context, stop);
    return;
  }
  if (!reservation.ok()) {
    batch.front().sink->OnDone(reservation.status(), {});
    return;
  }
  Run(std::move(batch), context, std::move(stop)).Execute();
}

}  // namespace spikeserve::serving
