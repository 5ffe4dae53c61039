#include "server/rpc/calls/session_run.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>

#include "server/engine/network/violations.h"
#include "server/rpc/decode/decode_encodings.h"
#include "server/rpc/encode/encode_response.h"
#include "server/serving/requests/slice_reading.h"

namespace spikeserve::rpc {
namespace {

using engine::Join;

// Readings in the simulation and as read, and the response as built and as serialized.
constexpr std::int64_t kPieceCopies = 8;

}  // namespace

Status SessionRun::Open(const v1::SessionOpen& open) {
  if (Status status = CheckTarget(open.settings()); !status.ok()) {
    return status;
  }
  auto network = context_.registry.Get(open.settings().network(), open.settings().version());
  if (!network.ok()) {
    return network.status();
  }
  auto plan = PlanSession(open, std::move(network).value(), context_.limits);
  if (!plan.ok()) {
    return plan.status();
  }
  plan_.emplace(std::move(plan).value());
  const engine::ResidentNetwork& resident = *plan_->network->resident;
  auto bytes = context_.budget.Reserve(resident.EstimateRunBytes(plan_->spec, plan_->samples),
                                       Join("a session of ", plan_->samples, " samples"));
  if (!bytes.ok()) {
    return bytes.status();
  }
  run_bytes_ = std::move(bytes).value();
  const engine::SampleInputs none{engine::InputAddresses(plan_->spec->inputs.size())};
  auto simulation = resident.NewSimulation(
      plan_->spec, std::vector<engine::SampleInputs>(static_cast<std::size_t>(plan_->samples), none));
  if (!simulation.ok()) {
    return simulation.status();
  }
  simulation_ = std::move(simulation).value();
  return {};
}

Status SessionRun::CheckPiece(const v1::SessionAdvance& message, DecodedInputs& inputs) {
  const engine::Network& network = *plan_->network->network;
  if (message.steps() < 1) {
    return InvalidArgument(
        Join("advance.steps: got ", message.steps(), ", allowed 1..", context_.limits.max_steps));
  }
  if (message.steps() > context_.limits.max_steps) {
    return ResourceExhausted(Join("advance.steps: got ", message.steps(), ", allowed 1..",
                                  context_.limits.max_steps, " (--max-steps)"));
  }
  auto decoded =
      DecodeInputs(message.inputs(), network, plan_->network->mode, message.steps(), context_.limits);
  if (!decoded.ok()) {
    return decoded.status();
  }
  inputs = std::move(decoded).value();
  if (static_cast<std::int64_t>(inputs.samples.size()) != plan_->samples) {
    return InvalidArgument(Join("advance.inputs: got a batch of ", inputs.samples.size(), ", wanted the ",
                                plan_->samples, " of the session"));
  }
  engine::RunSettings settings = plan_->spec->settings;
  settings.steps = 0;  // no default for windows: they run on over the messages
  return DecodeEncodings(message.encodings(), network, settings, inputs);
}

Status SessionRun::Begin(const v1::SessionAdvance& message) {
  DecodedInputs inputs;
  if (Status status = CheckPiece(message, inputs); !status.ok()) {
    return status;
  }
  for (std::size_t i = 0; i < inputs.samples.size(); ++i) {
    inputs.samples[i].index = plan_->first_sample + static_cast<std::int64_t>(i);
  }
  if (Status status = CheckResponseSize(*plan_, message.steps(), context_.limits); !status.ok()) {
    return status;
  }
  auto bytes = context_.budget.Reserve(kPieceCopies * ResponseBytes(*plan_, message.steps()),
                                       "the results of a session's message");
  if (!bytes.ok()) {
    return bytes.status();
  }
  piece_bytes_ = std::move(bytes).value();
  if (Status status = simulation_->Feed(inputs.formats, inputs.samples); !status.ok()) {
    return status;
  }
  steps_ = message.steps();
  left_ = message.steps();
  compute_s_ = 0;
  return {};
}

Status SessionRun::RunChunk(const std::function<bool()>& stopped) {
  const std::int64_t steps = std::min(left_, plan_->network->resident->chunk_steps());
  const auto start = context_.clock.Now();
  Status status = simulation_->Advance(steps, stopped);
  compute_s_ += std::chrono::duration<double>(context_.clock.Now() - start).count();
  left_ -= steps;
  return status;
}

Result<v1::SessionProgress> SessionRun::Finish() {
  const Result<engine::Reading> reading = simulation_->Read();
  if (!reading.ok()) {
    return reading.status();
  }
  if (Status status = serving::FirstFailure(reading.value(), 0, plan_->samples); !status.ok()) {
    return status;
  }
  v1::SessionProgress progress = EncodeSessionProgress(*plan_, reading.value(), steps_);
  progress.set_compute_s(compute_s_);
  const std::int64_t spikes = serving::CountSpikes(reading.value());
  context_.metrics.CountRun(
      {1, plan_->samples, steps_, std::max<std::int64_t>(spikes - spikes_, 0), 0, compute_s_});
  spikes_ = spikes;
  return progress;
}

Status SessionRun::Reset(const v1::SessionReset& message) {
  for (int i = 0; i < message.samples_size(); ++i) {
    if (message.samples(i) >= 0 && message.samples(i) < plan_->samples) {
      continue;
    }
    return InvalidArgument(
        Join("reset.samples[", i, "]: got ", message.samples(i), ", allowed 0..", plan_->samples - 1));
  }
  std::vector<std::int64_t> samples(message.samples().begin(), message.samples().end());
  if (samples.empty()) {
    samples.resize(static_cast<std::size_t>(plan_->samples));
    std::iota(samples.begin(), samples.end(), 0);
  }
  if (Status status = simulation_->Reset(samples); !status.ok()) {
    return status;
  }
  const Result<engine::Reading> reading = simulation_->Read();
  if (!reading.ok()) {
    return reading.status();
  }
  spikes_ = serving::CountSpikes(reading.value());
  return {};
}

}  // namespace spikeserve::rpc
