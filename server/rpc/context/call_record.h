#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/base/status.h"
#include "server/rpc/context/call_identity.h"
#include "server/rpc/context/call_spans.h"
#include "server/rpc/context/service_context.h"
#include "server/serving/requests/request.h"

namespace spikeserve::rpc {

// What is told about one call when it is over: a line in the log, a count in the metrics, the spans of its
// trace. One thread at a time.
class CallRecord {
 public:
  // `method` is the name of an RPC, e.g. "Simulate". `call` outlives the record.
  CallRecord(const ServiceContext& context, grpc::CallbackServerContext& call, const char* method);
  // One request of a call that has many.
  CallRecord(const ServiceContext& context, CallIdentity identity, const char* method);
  ~CallRecord();
  CallRecord(const CallRecord&) = delete;
  CallRecord& operator=(const CallRecord&) = delete;

  // Seconds since the call was received.
  double Elapsed() const;
  // Whether its parts are of interest.
  bool traced() const { return identity_.sampled && context_.calls.spans() != nullptr; }
  // The request has been read and checked; from here on it waits, then runs.
  void SetQueued() { queued_s_ = Elapsed(); }
  // The run of the call is over; its answer is made from here on.
  void SetOutcome(const serving::RunOutcome& outcome);
  // How the call was answered.
  void SetStatus(const Status& status);
  // The status as the client gets it, with the call's id, which also goes into the trailers. Once, for
  // Finish.
  grpc::Status ToGrpc(const Status& status);

  std::string network;
  std::string tenant;
  std::int64_t version = 0;  // of a network that was found
  std::int64_t samples = 0;
  bool cacheable = false;                                  // an equal request's answer would do
  std::shared_ptr<serving::NetworkStatistics> statistics;  // of the network, where it counts this call

 private:
  void Write() const noexcept;
  // How the call ended, by what is known when it is over.
  Status FinalStatus() const;
  void AddSpans(const Status& status) const;

  const ServiceContext& context_;
  grpc::CallbackServerContext* const call_;  // null: of one request of many
  const CallIdentity identity_;
  const char* const method_;
  const Clock::TimePoint received_;
  const std::chrono::system_clock::time_point received_at_;
  std::int64_t batch_size_ = 0;
  double queue_s_ = 0;
  double compute_s_ = 0;
  serving::Reuse reuse_ = serving::Reuse::kNone;
  double queued_s_ = 0;  // when it began to wait
  double done_s_ = 0;    // when the run was over; 0: there was none
  std::vector<SpanChunk> chunks_;
  double total_s_ = 0;
  Status status_{StatusCode::kCancelled, ""};
};

}  // namespace spikeserve::rpc
