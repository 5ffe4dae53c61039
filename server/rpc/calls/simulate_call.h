#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include "server/rpc/calls/submission.h"
#include "server/rpc/context/call_gate.h"
#include "server/rpc/context/call_record.h"
#include "server/serving/requests/request.h"

namespace spikeserve::rpc {

// One Simulate call. Deletes itself when it is over; called by gRPC and by a worker at the same time.
class SimulateCall final : public grpc::ServerUnaryReactor, public serving::ResultSink {
 public:
  // Begins the call. `request` and `response` live as long as it does.
  static grpc::ServerUnaryReactor* Start(const ServiceContext& context, grpc::CallbackServerContext& call,
                                         const grpc::ByteBuffer& request, grpc::ByteBuffer& response);

  void OnProgress(engine::Reading) noexcept override {}
  void OnDone(const Status& status, serving::RunOutcome outcome) noexcept override;
  void OnCancel() override { submission_.Cancel(); }
  void OnDone() override { delete this; }
  // Neither of these waits for anything, so that gRPC need not wake a thread of its own for them. gRPC says
  // that this is for its own reactors: a version that has it no more wants this line to go, and no other.
  bool InternalInlineable() override { return true; }

 private:
  SimulateCall(const ServiceContext& context, grpc::CallbackServerContext& call, grpc::ByteBuffer& response)
      : context_(context),
        call_(call),
        pass_(context.gate, call),
        record_(context, call, "Simulate"),
        submission_(context, record_),
        response_(response) {}
  ~SimulateCall() override;

  Status Submit(const grpc::ByteBuffer& request);
  Status Encode(const serving::RunOutcome& outcome);
  void FinishWith(const Status& status);

  const ServiceContext& context_;
  grpc::CallbackServerContext& call_;
  CallGate::Pass pass_;
  CallRecord record_;
  Submission submission_;
  grpc::ByteBuffer& response_;
};

}  // namespace spikeserve::rpc
