#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <optional>

#include "server/base/mutex.h"
#include "server/rpc/calls/submission.h"
#include "server/rpc/context/call_record.h"
#include "server/serving/requests/request.h"

namespace spikeserve::rpc {

// One SimulateStream call. Holds the newest progress that a slow reader has not taken yet and drops older
// ones; the final result is never dropped. Deletes itself when it is over; called by gRPC and by a worker at
// the same time.
class StreamCall final : public grpc::ServerWriteReactor<grpc::ByteBuffer>, public serving::ResultSink {
 public:
  // Begins the call.
  static grpc::ServerWriteReactor<grpc::ByteBuffer>* Start(const ServiceContext& context,
                                                           grpc::CallbackServerContext& call,
                                                           const grpc::ByteBuffer& request);

  void OnProgress(engine::Reading reading) noexcept override;
  void OnDone(const Status& status, serving::RunOutcome outcome) noexcept override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override { submission_.Cancel(); }
  void OnDone() override { delete this; }

 private:
  StreamCall(const ServiceContext& context, grpc::CallbackServerContext& call)
      : context_(context), call_(call), record_(context, "SimulateStream"), submission_(context, record_) {}
  ~StreamCall() override;

  Status Submit(const grpc::ByteBuffer& request);
  Status EncodeResult(const serving::RunOutcome& outcome);
  void SendProgress(const AnswerSpec& answer, const engine::Reading& reading);
  void End(const Status& status);

  const ServiceContext& context_;
  grpc::CallbackServerContext& call_;
  CallRecord record_;
  Submission submission_;
  Mutex mu_;
  // Of the write under way; touched by who set writing_.
  grpc::ByteBuffer message_;
  bool writing_ SPIKESERVE_GUARDED_BY(mu_) = false;
  // The newest progress not sent.
  std::optional<engine::Reading> waiting_ SPIKESERVE_GUARDED_BY(mu_);
  // Set where a progress was not read.
  Status overdue_ SPIKESERVE_GUARDED_BY(mu_);
  // Set once the run is over.
  std::optional<Status> end_ SPIKESERVE_GUARDED_BY(mu_);
  // Constant once end_ is set.
  grpc::ByteBuffer result_;
};

}  // namespace spikeserve::rpc
