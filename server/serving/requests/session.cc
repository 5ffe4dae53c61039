#include "server/serving/requests/session.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <string>
#include <utility>

#include "server/serving/requests/slice_reading.h"

namespace spikeserve::serving {

Result<std::unique_ptr<Session>> Session::Open(NetworkHandle network, const engine::CheckedSpec& spec,
                                               std::int64_t samples, SessionContext context) {
  std::unique_ptr<Session> self(new Session(std::move(network), samples, std::move(context)));
  const engine::ResidentNetwork& resident = *self->network_->resident;
  auto bytes = self->context_.budget.Reserve(resident.EstimateRunBytes(spec, samples),
                                             "a session of " + std::to_string(samples) + " samples");
  if (!bytes.ok()) {
    return bytes.status();
  }
  self->run_bytes_ = std::move(bytes).value();
  const engine::SampleInputs none{engine::InputAddresses(spec->inputs.size())};
  auto simulation = resident.NewSimulation(
      spec, std::vector<engine::SampleInputs>(static_cast<std::size_t>(samples), none));
  if (!simulation.ok()) {
    return simulation.status();
  }
  self->simulation_ = std::move(simulation).value();
  return self;
}

Status Session::Feed(const std::vector<engine::InputFormat>& inputs,
                     std::span<const engine::SampleInputs> samples, std::int64_t steps,
                     std::int64_t result_bytes) {
  auto bytes = context_.budget.Reserve(result_bytes, "the results of a session's message");
  if (!bytes.ok()) {
    return bytes.status();
  }
  piece_bytes_ = std::move(bytes).value();
  if (Status status = simulation_->Feed(inputs, samples); !status.ok()) {
    return status;
  }
  steps_ = steps;
  left_ = steps;
  compute_s_ = 0;
  return {};
}

Status Session::Advance(const StopCheck& stopped) {
  const std::int64_t steps = std::min(left_, network_->resident->chunk_steps());
  const Clock::TimePoint start = context_.clock.Now();
  Status status = simulation_->Advance(steps, stopped);
  compute_s_ += std::chrono::duration<double>(context_.clock.Now() - start).count();
  left_ -= steps;
  return status;
}

Result<engine::Reading> Session::Read() {
  Result<engine::Reading> reading = simulation_->Read();
  if (!reading.ok()) {
    return reading;
  }
  if (Status status = FirstFailure(reading.value(), 0, samples_); !status.ok()) {
    return status;
  }
  const std::int64_t spikes = CountSpikes(reading.value(), 0, samples_);
  context_.on_run({1, samples_, steps_, std::max<std::int64_t>(spikes - spikes_, 0), 0, compute_s_});
  spikes_ = spikes;
  return reading;
}

Status Session::Reset(std::vector<std::int64_t> which) {
  if (which.empty()) {
    which.resize(static_cast<std::size_t>(samples_));
    std::iota(which.begin(), which.end(), 0);
  }
  if (Status status = simulation_->Reset(which); !status.ok()) {
    return status;
  }
  const Result<engine::Reading> reading = simulation_->Read();
  if (!reading.ok()) {
    return reading.status();
  }
  spikes_ = CountSpikes(reading.value(), 0, samples_);
  return {};
}

}  // namespace spikeserve::serving
