#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "inference/grpc_service.pb.h"
#include "server/rpc/access/caller.h"
#include "server/rpc/calls/submission.h"
#include "server/rpc/context/call_record.h"
#include "server/rpc/decode/infer_request.h"

namespace spikeserve::rpc {

// Whether a request may have answers on the way.
enum class InferReports { kNo, kYes };
// Whether a request that was in order is queued, or still waits for its network to be loaded.
enum class Submitted { kQueued, kWaits };

// One request of the Open Inference Protocol, from its bytes to its answer. Submit by one thread, then Cancel
// by any and the rest by who has the result.
class InferRun {
 public:
  // `method` is what the log and the metrics call it.
  InferRun(const ServiceContext& context, grpc::CallbackServerContext& call, const char* method)
      : record_(context, call, method), submission_(context, record_) {}
  // The same for one request of a stream.
  InferRun(const ServiceContext& context, CallIdentity identity, const char* method)
      : record_(context, std::move(identity), method), submission_(context, record_) {}

  // Reads, checks and queues the request; the sink is called only where the answer is OK. The request is over
  // at `deadline` or after its own timeout, and `caller`'s.
  Result<Submitted> Submit(const grpc::ByteBuffer& bytes, InferReports reports,
                           std::chrono::system_clock::time_point deadline, Caller caller,
                           serving::ResultSink& sink);
  void Cancel() { submission_.Cancel(); }
  // The first half of Cancel, for who sweeps the batcher after many.
  void RequestStop() { submission_.RequestStop(); }

  // The answers; between Submit and Release.
  inference::ModelInferResponse Answer(const serving::RunOutcome& outcome);
  inference::ModelInferResponse Progress(const engine::Reading& reading) const;
  // Name, version and id alone, as far as they were read.
  inference::ModelInferResponse Empty() const;
  // Gives back all but the `answer_bytes` that an answer takes.
  void Release(std::int64_t answer_bytes) { submission_.Release(answer_bytes); }
  // How the request was answered, for the log.
  void SetStatus(const Status& status) { record_.SetStatus(status); }
  grpc::Status ToGrpc(const Status& status) { return record_.ToGrpc(status); }

  const InferOptions& options() const { return answer_.options; }

 private:
  // The version that the request asks for.
  Result<std::int64_t> CheckTarget(const inference::ModelInferRequest& message);
  Status SubmitTo(serving::NetworkHandle network, inference::ModelInferRequest& message, InferReports reports,
                  std::chrono::system_clock::time_point deadline, Caller caller, serving::ResultSink& sink);
  Status Decode(const serving::NetworkEntry& network, inference::ModelInferRequest& message,
                InferReports reports, v1::SimulateRequest& request);

  CallRecord record_;
  Submission submission_;
  std::string model_;
  std::string version_;
  InferAnswer answer_;
};

}  // namespace spikeserve::rpc
