#include "server/rpc/context/call_record.h"

#include <utility>

#include "server/rpc/context/rejection.h"
#include "server/rpc/wire/request_info.h"
#include "server/rpc/wire/status.h"
#include "server/serving/names.h"

namespace spikeserve::rpc {
namespace {

const char* ReuseName(serving::Reuse reuse) {
  switch (reuse) {
    case serving::Reuse::kNone: return "";
    case serving::Reuse::kCached: return "cached";
    case serving::Reuse::kCoalesced: return "coalesced";
  }
  return "";
}

}  // namespace

CallRecord::CallRecord(const ServiceContext& context, grpc::CallbackServerContext& call, const char* method)
    : context_(context),
      call_(&call),
      identity_(context.calls.Identify(call)),
      method_(method),
      received_(context.clock.Now()),
      received_at_(std::chrono::system_clock::now()) {
  context_.metrics.BeginRequest(method_);
}

CallRecord::CallRecord(const ServiceContext& context, CallIdentity identity, const char* method)
    : context_(context),
      call_(nullptr),
      identity_(std::move(identity)),
      method_(method),
      received_(context.clock.Now()),
      received_at_(std::chrono::system_clock::now()) {
  context_.metrics.BeginRequest(method_);
}

CallRecord::~CallRecord() { Write(); }

double CallRecord::Elapsed() const {
  return std::chrono::duration<double>(context_.clock.Now() - received_).count();
}

void CallRecord::SetOutcome(const serving::RunOutcome& outcome) {
  batch_size_ = outcome.batch_size;
  queue_s_ = outcome.queue_s;
  compute_s_ = outcome.compute_s;
  reuse_ = outcome.reuse;
  done_s_ = Elapsed();
  for (const serving::ChunkMark& chunk : outcome.chunks) {
    chunks_.push_back({std::chrono::duration<double>(chunk.end - received_).count(), chunk.steps});
  }
}

void CallRecord::SetStatus(const Status& status) {
  status_ = status;
  total_s_ = Elapsed();
  // At once, as the client asks for the counts when it has its answer.
  if (const auto counts = std::exchange(statistics, nullptr)) {
    if (status.ok()) {
      counts->CountSuccess(samples, total_s_, queue_s_, compute_s_);
      if (cacheable && reuse_ != serving::Reuse::kCoalesced) {
        counts->CountLookup(reuse_ == serving::Reuse::kCached, total_s_);
      }
    } else {
      counts->CountFailure(total_s_);
    }
  }
}

grpc::Status CallRecord::ToGrpc(const Status& status) {
  return call_ == nullptr ? rpc::ToGrpc(status) : rpc::ToGrpc(status, identity_.request_id, *call_);
}

// A call that was reset before its message came has an empty one, which is refused, though nobody sent it.
Status CallRecord::FinalStatus() const {
  if (status_.code() == StatusCode::kInvalidArgument && call_ != nullptr && call_->IsCancelled()) {
    return {StatusCode::kCancelled, "given up by the client before it was answered"};
  }
  return status_;
}

void CallRecord::AddSpans(const Status& status) const {
  if (!traced()) {
    return;
  }
  context_.calls.spans()->Add(SpansOf({.identity = identity_,
                                       .method = method_,
                                       .network = network,
                                       .version = version,
                                       .samples = samples,
                                       .batch_size = batch_size_,
                                       .reuse = ReuseName(reuse_),
                                       .received = received_at_,
                                       .queued_s = queued_s_,
                                       .queue_s = queue_s_,
                                       .done_s = done_s_,
                                       .total_s = total_s_,
                                       .chunks = chunks_,
                                       .status = status},
                                      context_.calls.ids()));
}

void CallRecord::Write() const noexcept {
  try {
    const Status status = FinalStatus();
    context_.metrics.CountRequest({.method = method_,
                                   .code = status.code(),
                                   .seconds = total_s_,
                                   .network = version > 0 ? network : std::string(),
                                   .tenant = tenant,
                                   .samples = samples,
                                   .queue_s = queue_s_,
                                   .compute_s = compute_s_,
                                   .rejection = RejectionReason(status),
                                   .trace_id = identity_.sampled ? identity_.trace_id : std::string()});
    context_.calls.Write({.method = method_,
                          .request_id = identity_.request_id,
                          .network = network.substr(0, serving::kMaxNameBytes),
                          .version = version,
                          .samples = samples,
                          .batch_size = batch_size_,
                          .reuse = ReuseName(reuse_),
                          .queue_s = queue_s_,
                          .compute_s = compute_s_,
                          .total_s = total_s_,
                          .status = status});
    AddSpans(status);
  } catch (...) {  // called from a destructor; a lost line must not take the server with it
  }
}

}  // namespace spikeserve::rpc
