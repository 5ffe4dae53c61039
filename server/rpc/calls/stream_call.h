#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <optional>

#include "server/base/mutex.h"
#include "server/rpc/calls/submission.h"
#include "server/rpc/context/call_gate.h"
#include "server/rpc/context/call_record.h"
#include "server/rpc/context/report_queue.h"
#include "server/serving/requests/request.h"

namespace spikeserve::rpc {

// One SimulateStream call. Holds reports that its reader has not taken yet, up to a bound, and one more;
// further ones are not made until it has room again. The final result is never dropped. Deletes itself when
// it is over; called by gRPC and by a worker at the same time.
class StreamCall final : public grpc::ServerWriteReactor<grpc::ByteBuffer>, public serving::ResultSink {
 public:
  // Begins the call.
  static grpc::ServerWriteReactor<grpc::ByteBuffer>* Start(const ServiceContext& context,
                                                           grpc::CallbackServerContext& call,
                                                           const grpc::ByteBuffer& request);

  bool WantsProgress() noexcept override;
  void OnProgress(engine::Reading reading) noexcept override;
  void OnDone(const Status& status, serving::RunOutcome outcome) noexcept override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override { submission_.Cancel(); }
  void OnDone() override { delete this; }

 private:
  StreamCall(const ServiceContext& context, grpc::CallbackServerContext& call)
      : context_(context),
        call_(call),
        pass_(context.gate, call),
        record_(context, call, "SimulateStream"),
        submission_(context, record_),
        reports_(context.budget) {}
  ~StreamCall() override;

  Status Submit(const grpc::ByteBuffer& request);
  Status EncodeResult(const serving::RunOutcome& outcome);
  // Nothing where it cannot be made, so that the reader misses it.
  static std::optional<grpc::ByteBuffer> EncodeReport(const AnswerSpec& answer,
                                                      const engine::Reading& reading);
  // Takes what is to be written next, if nothing is being written: a report, or the end.
  bool TakeNext(std::optional<Status>& end) SPIKESERVE_REQUIRES(mu_);
  // Writes what TakeNext took. The last thing that a caller does: the call may be gone afterwards.
  void Send(bool report, const std::optional<Status>& end);
  void End(const Status& status);

  const ServiceContext& context_;
  grpc::CallbackServerContext& call_;
  CallGate::Pass pass_;
  CallRecord record_;
  Submission submission_;
  Mutex mu_;
  // Of the write under way; touched by who set writing_.
  grpc::ByteBuffer message_;
  bool writing_ SPIKESERVE_GUARDED_BY(mu_) = false;
  bool gone_ SPIKESERVE_GUARDED_BY(mu_) = false;  // the reader
  ReportQueue reports_ SPIKESERVE_GUARDED_BY(mu_);
  // The progress that found no room there.
  std::optional<engine::Reading> waiting_ SPIKESERVE_GUARDED_BY(mu_);
  // Set where a progress was not read.
  Status overdue_ SPIKESERVE_GUARDED_BY(mu_);
  // Set once the run is over.
  std::optional<Status> end_ SPIKESERVE_GUARDED_BY(mu_);
  // Constant once end_ is set.
  grpc::ByteBuffer result_;
};

}  // namespace spikeserve::rpc
