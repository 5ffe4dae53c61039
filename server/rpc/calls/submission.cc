#include "server/rpc/calls/submission.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "server/base/guarded.h"
#include "server/rpc/context/deadline.h"
#include "server/rpc/context/receive.h"
#include "server/rpc/decode/request_key.h"
#include "server/serving/names.h"

namespace spikeserve::rpc {
namespace {

// The response as built and as serialized; sparse counts take up to three times their array while built.
constexpr std::int64_t kResponseCopies = 2;
constexpr std::int64_t kSparseCopies = 4;
// A reading has float64 where a response has float32.
constexpr std::int64_t kReadingCopies = 2;

// What a reading has of each sample and the response only in sums.
std::int64_t StatisticsBytes(const AnswerSpec& answer) {
  if (!answer.spec->statistics) {
    return 0;
  }
  const std::size_t layers = answer.network->resident->spiking_layers().size();
  const std::size_t bytes =
      sizeof(std::vector<engine::LayerActivity>) + layers * sizeof(engine::LayerActivity);
  return answer.samples * static_cast<std::int64_t>(bytes);
}

}  // namespace

Status Submission::Receive(const grpc::ByteBuffer& bytes, BulkPath bulk, google::protobuf::Message& message) {
  auto reservation = rpc::Receive(context_, bytes, bulk, "the request", message);
  if (!reservation.ok()) {
    return reservation.status();
  }
  message_reservation_ = std::move(reservation).value();
  return {};
}

Status Submission::Submit(std::shared_ptr<v1::SimulateRequest> request, const SubmitOptions& options,
                          serving::ResultSink& sink) {
  if (Status status = CheckTarget(*request); !status.ok()) {
    return status;
  }
  record_.network = serving::NetworkOf(request->network());
  const Resume submit = [this, request, options, &sink](serving::NetworkHandle found) {
    // What an alias, or no version, stands for now: requests for it are equal to those that name it.
    request->set_network(found->name);
    request->set_version(found->version);
    return SubmitTo(std::move(found), request, options, sink);
  };
  return With(request->network(), request->version(), options, submit, sink).status();
}

Result<bool> Submission::With(const std::string& name, std::int64_t version, const SubmitOptions& options,
                              const Resume& resume, serving::ResultSink& sink) {
  const serving::TenantHandle& tenant = options.caller.tenant;
  record_.tenant = tenant->name();
  // Before it may wait for the network: what waits counts as well. Samples are taken once they are known.
  auto permit = tenant->Admit(0, static_cast<std::int64_t>(message_reservation_.bytes()));
  if (!permit.ok()) {
    return permit.status();
  }
  permit_ = std::move(permit).value();
  auto network = context_.residency.Find(
      name, version,
      {ToMonotonic(options.deadline, context_.clock), stop_.get_token(), message_reservation_.bytes()},
      [this, resume, &sink](Result<serving::NetworkHandle> found) {
        const Status status = Guarded(
            [&]() -> Status { return found.ok() ? resume(std::move(found).value()) : found.status(); });
        if (!status.ok()) {
          permit_.GiveBack();
          sink.OnDone(status, {});
        }
      });
  if (!network) {
    return true;
  }
  Status status = network->ok() ? resume(std::move(*network).value()) : network->status();
  if (!status.ok()) {
    permit_.GiveBack();
    return status;
  }
  return false;
}

Status Submission::SubmitTo(serving::NetworkHandle network,
                            std::shared_ptr<const v1::SimulateRequest> request, const SubmitOptions& options,
                            serving::ResultSink& sink) {
  record_.version = network->version;
  record_.statistics = network->statistics;
  auto checked = CheckRequest(*request, std::move(network), context_.limits, options.report_every > 0);
  if (!checked.ok()) {
    return checked.status();
  }
  answer_ = std::make_shared<AnswerSpec>(std::move(checked.value().answer));
  record_.samples = answer_->samples;
  if (Status status = AddToResponse(options.extra_bytes_per_sample); !status.ok()) {
    return status;
  }
  if (Status status = ReserveResponse(); !status.ok()) {
    return status;
  }
  if (options.reusable && context_.answers != nullptr) {
    key_ = RequestKey(*request, *answer_->network, options.caller.tenant->name());
    record_.cacheable = true;
  }
  serving::Request queued(answer_->network, answer_->spec);
  queued.report_every = options.report_every;
  queued.samples = std::move(checked.value().samples);
  queued.input_bytes = std::move(request);
  queued.reservation = std::move(message_reservation_);
  queued.deadline = ToMonotonic(options.deadline, context_.clock);
  queued.cancelled = stop_.get_token();
  queued.result_bytes = kReadingCopies * answer_->response_bytes + StatisticsBytes(*answer_);
  queued.sink = &sink;
  queued.traced = record_.traced();
  queued.may_run_at_once = options.at_once;
  record_.SetQueued();
  return Queue(std::move(queued), options);
}

// Within what its tenant may have. A request that the queue refuses costs the tenant nothing.
Status Submission::Queue(serving::Request queued, const SubmitOptions& options) {
  const serving::TenantRules rules = options.caller.tenant->rules();
  queued.tenant = options.caller.tenant->name();
  queued.weight = rules.weight;
  queued.client = options.caller.client;
  const std::int64_t asked = options.caller.priority;
  queued.priority = std::max(asked > 0 ? asked : serving::kDefaultPriority, rules.max_priority);
  // Of a request that may be answered by another's run, samples cost something once they are simulated.
  if (Status status = permit_.TakeSamples(key_.empty() ? answer_->samples : 0); !status.ok()) {
    return status;
  }
  return key_.empty() ? context_.batcher.Submit(std::move(queued))
                      : context_.answers->Submit(key_, std::move(queued), permit_);
}

Status Submission::AddToResponse(std::int64_t bytes_per_sample) {
  answer_->response_bytes += bytes_per_sample * answer_->samples;
  if (bytes_per_sample == 0 || answer_->response_bytes <= context_.limits.max_response_bytes) {
    return {};
  }
  return ResourceExhausted("the response would have " + std::to_string(answer_->response_bytes) +
                           " bytes, allowed " + std::to_string(context_.limits.max_response_bytes) +
                           " (--max-response-mb); ask for fewer samples or classes");
}

Status Submission::ReserveResponse() {
  const std::int64_t copies = answer_->spec->request_probes.empty() ? kResponseCopies : kSparseCopies;
  auto reservation = context_.budget.Reserve(copies * answer_->response_bytes, "the response");
  if (!reservation.ok()) {
    return reservation.status();
  }
  response_reservation_ = std::move(reservation).value();
  return {};
}

void Submission::Release(std::int64_t answer_bytes) {
  answer_.reset();
  permit_ = {};
  response_reservation_.ShrinkTo(answer_bytes);
}

void Submission::Cancel() {
  stop_.request_stop();
  context_.batcher.Sweep();
  if (context_.answers != nullptr) {
    context_.answers->Sweep();
  }
}

}  // namespace spikeserve::rpc
