#include "server/rpc/calls/session_run.h"

#include <utility>

#include "server/engine/network/violations.h"
#include "server/rpc/decode/decode_encodings.h"
#include "server/rpc/decode/input_ranges.h"
#include "server/rpc/decode/run_settings.h"
#include "server/rpc/encode/encode_response.h"

namespace spikeserve::rpc {
namespace {

using engine::Join;

// Readings in the simulation and as read, and the response as built and as serialized.
constexpr std::int64_t kPieceCopies = 8;
// How many samples a session has, it says later; one at least.
constexpr std::int64_t kFirstSamples = 1;

}  // namespace

Status SessionRun::TakePlace(serving::TenantHandle tenant) {
  auto permit = tenant->Admit(kFirstSamples, 0);
  if (permit.ok()) {
    tenant_ = std::move(tenant);
    permit_ = std::move(permit).value();
  }
  return permit.status();
}

void SessionRun::Seek(const v1::SessionOpen& open, serving::Residency::Wait wait,
                      std::function<void()> found) {
  if (Status status = CheckTarget(open.settings()); !status.ok()) {
    network_ = std::move(status);
    return found();
  }
  auto network =
      context_.residency.Find(open.settings().network(), open.settings().version(), std::move(wait),
                              [this, found](Result<serving::NetworkHandle> loaded) {
                                network_ = std::move(loaded);
                                found();
                              });
  if (network) {
    network_ = std::move(network);
    found();
  }
}

Status SessionRun::Open(const v1::SessionOpen& open) {
  Result<serving::NetworkHandle> network = *std::exchange(network_, std::nullopt);
  if (!network.ok()) {
    return network.status();
  }
  auto answer = CheckSession(open, std::move(network).value(), context_.limits);
  if (!answer.ok()) {
    return answer.status();
  }
  answer_.emplace(std::move(answer).value());
  tenant_->Charge(answer_->samples - kFirstSamples);
  auto session = serving::Session::Open(
      answer_->network, answer_->spec, answer_->samples,
      {context_.budget, context_.clock,
       [&metrics = context_.metrics](const serving::RunRecord& record) { metrics.CountRun(record); }});
  if (!session.ok()) {
    return session.status();
  }
  session_ = std::move(session).value();
  return {};
}

Status SessionRun::CheckPiece(const v1::SessionAdvance& message, DecodedInputs& inputs) {
  const engine::Network& network = *answer_->network->network;
  if (Status status = CheckSteps("advance.", message.steps(), "", context_.limits); !status.ok()) {
    return status;
  }
  auto decoded =
      DecodeInputs(message.inputs(), network, answer_->network->mode, message.steps(), context_.limits);
  if (!decoded.ok()) {
    return decoded.status();
  }
  inputs = std::move(decoded).value();
  if (static_cast<std::int64_t>(inputs.samples.size()) != answer_->samples) {
    return InvalidArgument(Join("advance.inputs: got a batch of ", inputs.samples.size(), ", wanted the ",
                                answer_->samples, " of the session"));
  }
  engine::RunSettings settings = answer_->spec->settings;
  settings.steps = 0;  // no default for windows: they run on over the messages
  return DecodeEncodings(message.encodings(), network, settings, inputs);
}

Status SessionRun::Begin(const v1::SessionAdvance& message) {
  DecodedInputs inputs;
  if (Status status = CheckPiece(message, inputs); !status.ok()) {
    return status;
  }
  for (std::size_t i = 0; i < inputs.samples.size(); ++i) {
    inputs.samples[i].index = answer_->first_sample + static_cast<std::int64_t>(i);
  }
  if (Status status = CheckResponseSize(*answer_, message.steps(), context_.limits); !status.ok()) {
    return status;
  }
  steps_ = message.steps();
  warnings_ =
      InputWarnings(message.inputs(), *answer_->network->network, answer_->network->metadata.input_ranges);
  tenant_->Charge(answer_->samples);
  return session_->Feed(inputs.formats, inputs.samples, steps_,
                        kPieceCopies * ResponseBytes(*answer_, steps_));
}

Result<v1::SessionProgress> SessionRun::Finish() {
  const Result<engine::Reading> reading = session_->Read();
  if (!reading.ok()) {
    return reading.status();
  }
  v1::SessionProgress progress = EncodeSessionProgress(*answer_, reading.value(), steps_);
  steps_done_ = progress.steps_done();
  progress.set_compute_s(session_->compute_s());
  for (std::string& warning : warnings_) {
    progress.add_warnings(std::move(warning));
  }
  return progress;
}

Status SessionRun::Reset(const v1::SessionReset& message) {
  for (int i = 0; i < message.samples_size(); ++i) {
    if (message.samples(i) >= 0 && message.samples(i) < answer_->samples) {
      continue;
    }
    return InvalidArgument(
        Join("reset.samples[", i, "]: got ", message.samples(i), ", allowed 0..", answer_->samples - 1));
  }
  return session_->Reset({message.samples().begin(), message.samples().end()});
}

}  // namespace spikeserve::rpc
