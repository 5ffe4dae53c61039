#include "server/rpc/calls/infer_run.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "server/rpc/encode/infer_response.h"
#include "server/serving/names.h"

namespace spikeserve::rpc {
namespace {

constexpr std::array<int, 1> kRawInputs{inference::ModelInferRequest::kRawInputContentsFieldNumber};
// A longer one is none; keeps time-point arithmetic away from its limits.
constexpr std::chrono::microseconds kLongestTimeout = std::chrono::hours(24);
constexpr std::size_t kMaxIdBytes = 1024;

}  // namespace

Result<Submitted> InferRun::Submit(const grpc::ByteBuffer& bytes, InferReports reports,
                                   std::chrono::system_clock::time_point deadline, Caller caller,
                                   serving::ResultSink& sink) {
  const auto message = std::make_shared<inference::ModelInferRequest>();
  if (Status status = submission_.Receive(bytes, kRawInputs, *message); !status.ok()) {
    return status;
  }
  const auto version = CheckTarget(*message);
  if (!version.ok()) {
    return version.status();
  }
  const auto submit = [this, message, reports, deadline, caller, &sink](serving::NetworkHandle network) {
    return SubmitTo(std::move(network), *message, reports, deadline, caller, sink);
  };
  const auto waits = submission_.With(model_, version.value(),
                                      {.deadline = deadline, .caller = std::move(caller)}, submit, sink);
  if (!waits.ok()) {
    return waits.status();
  }
  return waits.value() ? Submitted::kWaits : Submitted::kQueued;
}

Status InferRun::SubmitTo(serving::NetworkHandle network, inference::ModelInferRequest& message,
                          InferReports reports, std::chrono::system_clock::time_point deadline, Caller caller,
                          serving::ResultSink& sink) {
  auto request = std::make_shared<v1::SimulateRequest>();
  if (Status status = Decode(*network, message, reports, *request); !status.ok()) {
    return status;
  }
  if (options().timeout_us) {
    const auto timeout = std::min(std::chrono::microseconds(*options().timeout_us), kLongestTimeout);
    deadline = std::min(deadline, std::chrono::system_clock::now() + timeout);
  }
  if (options().priority > 0) {
    caller.priority = options().priority;
  }
  return submission_.SubmitTo(std::move(network), std::move(request),
                              {.report_every = options().report_every,
                               .deadline = deadline,
                               .caller = std::move(caller),
                               .extra_bytes_per_sample = answer_.text_bytes_per_sample,
                               .reusable = reports == InferReports::kNo,
                               .at_once = reports == InferReports::kNo},
                              sink);
}

// What comes back with an answer, of an error too, is taken once it is known to be short.
Result<std::int64_t> InferRun::CheckTarget(const inference::ModelInferRequest& message) {
  if (message.id().size() > kMaxIdBytes) {
    return InvalidArgument("id: got " + std::to_string(message.id().size()) + " bytes, allowed " +
                           std::to_string(kMaxIdBytes));
  }
  answer_.id = message.id();
  if (Status status = CheckModelName("model_name", message.model_name()); !status.ok()) {
    return status;
  }
  model_ = message.model_name();
  record_.network = serving::NetworkOf(model_);
  const auto version = DecodeVersion("model_version", message.model_version());
  if (!version.ok()) {
    return version.status();
  }
  version_ = message.model_version();
  return version;
}

Status InferRun::Decode(const serving::NetworkEntry& network, inference::ModelInferRequest& message,
                        InferReports reports, v1::SimulateRequest& request) {
  record_.version = network.version;
  record_.statistics = network.statistics;
  auto decoded = DecodeInfer(message, network);
  if (!decoded.ok()) {
    return decoded.status();
  }
  answer_ = std::move(decoded.value().answer);
  if (reports == InferReports::kNo && options().report_every > 0) {
    return InvalidArgument(
        "parameters[\"report_every\"]: got " + std::to_string(options().report_every) +
        ", allowed none: a call with one answer has none on the way; use ModelStreamInfer");
  }
  request = std::move(decoded.value().request);
  return {};
}

inference::ModelInferResponse InferRun::Answer(const serving::RunOutcome& outcome) {
  record_.SetOutcome(outcome);
  return EncodeInferResponse(*submission_.answer(), answer_, outcome);
}

inference::ModelInferResponse InferRun::Progress(const engine::Reading& reading) const {
  return EncodeInferProgress(*submission_.answer(), answer_, reading);
}

inference::ModelInferResponse InferRun::Empty() const {
  inference::ModelInferResponse response;
  response.set_model_name(model_);
  response.set_model_version(version_);
  response.set_id(answer_.id);
  return response;
}

}  // namespace spikeserve::rpc
