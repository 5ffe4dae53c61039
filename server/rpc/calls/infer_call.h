#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include "server/rpc/calls/infer_run.h"
#include "server/rpc/context/call_gate.h"
#include "server/serving/requests/request.h"

namespace spikeserve::rpc {

// One ModelInfer call. Deletes itself when it is over; called by gRPC and by a worker at the same time.
class InferCall final : public grpc::ServerUnaryReactor, public serving::ResultSink {
 public:
  // Begins the call. `request` and `response` live as long as it does.
  static grpc::ServerUnaryReactor* Start(const ServiceContext& context, grpc::CallbackServerContext& call,
                                         const grpc::ByteBuffer& request, grpc::ByteBuffer& response);

  void OnProgress(engine::Reading) noexcept override {}
  void OnDone(const Status& status, serving::RunOutcome outcome) noexcept override;
  void OnCancel() override { run_.Cancel(); }
  void OnDone() override { delete this; }
  // Neither of these waits for anything, so that gRPC need not wake a thread of its own for them. gRPC says
  // that this is for its own reactors: a version that has it no more wants this line to go, and no other.
  bool InternalInlineable() override { return true; }

 private:
  InferCall(const ServiceContext& context, grpc::CallbackServerContext& call, grpc::ByteBuffer& response)
      : context_(context),
        call_(call),
        pass_(context.gate, call),
        run_(context, call, "ModelInfer"),
        response_(response) {}
  ~InferCall() override;

  Status Submit(const grpc::ByteBuffer& request);
  Status Encode(const serving::RunOutcome& outcome);
  void FinishWith(const Status& status);

  const ServiceContext& context_;
  grpc::CallbackServerContext& call_;
  CallGate::Pass pass_;
  InferRun run_;
  grpc::ByteBuffer& response_;
};

}  // namespace spikeserve::rpc
