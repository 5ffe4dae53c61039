#pragma once

#include "server/rpc/calls/session_call.h"
#include "server/rpc/calls/simulate_call.h"
#include "server/rpc/calls/stream_call.h"
#include "server/rpc/context/service_context.h"
#include "server/rpc/context/session_table.h"
#include "spikeserve/v1/simulation.grpc.pb.h"

namespace spikeserve::rpc {

// Runs networks. Takes messages as bytes, so that they are checked before they are parsed. Thread-safe.
class SimulationService final
    : public v1::SimulationService::WithRawCallbackMethod_Simulate<
          v1::SimulationService::WithRawCallbackMethod_SimulateStream<
              v1::SimulationService::WithRawCallbackMethod_Session<v1::SimulationService::Service>>> {
 public:
  explicit SimulationService(const ServiceContext& context)
      : context_(context),
        sessions_(context.limits.max_sessions, std::chrono::seconds(context.limits.session_idle_seconds),
                  context.clock) {}

  grpc::ServerUnaryReactor* Simulate(grpc::CallbackServerContext* call, const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override {
    return SimulateCall::Start(context_, *call, *request, *response);
  }
  grpc::ServerWriteReactor<grpc::ByteBuffer>* SimulateStream(grpc::CallbackServerContext* call,
                                                             const grpc::ByteBuffer* request) override {
    return StreamCall::Start(context_, *call, *request);
  }

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Session(
      grpc::CallbackServerContext* call) override {
    return SessionCall::Start(context_, sessions_, *call);
  }
  // Tells the clients of sessions that these end at that time.
  void Announce(Clock::TimePoint end) { sessions_.Announce(end); }
  // Ends the sessions, each after the message it works on.
  void Drain() { sessions_.Drain(); }

 private:
  const ServiceContext& context_;
  SessionTable sessions_;
};

}  // namespace spikeserve::rpc
