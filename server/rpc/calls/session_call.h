#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <optional>
#include <stop_token>

#include "server/base/mutex.h"
#include "server/rpc/calls/session_run.h"
#include "server/rpc/context/call_gate.h"
#include "server/rpc/context/call_record.h"
#include "server/rpc/context/session_table.h"

namespace spikeserve::rpc {

// One Session call: reads a message, works on it, writes its answer, and only then reads the next, so that a
// client that does not read cannot fill memory. Deletes itself when it is over; called by gRPC, the table and
// the table's thread, which take turns by state_.
class SessionCall final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                          public EndableSession {
 public:
  // Begins the call. `sessions` outlives it.
  static grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Start(
      const ServiceContext& context, SessionTable& sessions, grpc::CallbackServerContext& call);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override { stop_.request_stop(); }
  void OnDone() override;
  void End(const Status& status) override;
  void Expire(const Status& status) override;
  void Announce(Clock::TimePoint end) override;

 private:
  enum class State { kWorking, kWriting, kWaiting, kEnded };
  // Of the message that tells the client of the end, which goes out while the next request is waited for.
  enum class Notice { kNone, kWriting, kSent };

  SessionCall(const ServiceContext& context, SessionTable& sessions, grpc::CallbackServerContext& call)
      : context_(context),
        sessions_(sessions),
        call_(call),
        pass_(context.gate, call),
        record_(context, call, "Session"),
        run_(context) {}

  Status Admit();
  Status Take();
  Status Dispatch();
  void Read();
  // Has the table's thread work on the message.
  void Go();
  void Post();
  void Chunk();
  Status Answer(const v1::SessionResponse& response);
  // Writes the notice where there is one to write.
  void Notify() SPIKESERVE_REQUIRES(mu_);
  void FinishWith(const Status& status);
  void FinishInTable(const Status& status);

  const ServiceContext& context_;
  SessionTable& sessions_;
  grpc::CallbackServerContext& call_;
  CallGate::Pass pass_;
  CallRecord record_;
  SessionRun run_;
  std::stop_source stop_;
  grpc::ByteBuffer read_, write_, notice_bytes_;
  v1::SessionRequest message_;
  serving::MemoryBudget::Reservation message_bytes_;
  Mutex mu_;
  State state_ SPIKESERVE_GUARDED_BY(mu_) = State::kWorking;
  // How to end after the message under way.
  std::optional<Status> end_ SPIKESERVE_GUARDED_BY(mu_);
  // When the session will be ended, once that is known.
  std::optional<Clock::TimePoint> announced_ SPIKESERVE_GUARDED_BY(mu_);
  Notice notice_ SPIKESERVE_GUARDED_BY(mu_) = Notice::kNone;
  // What waits for the notice to be written, as there is one write at a time: the answer, and the end.
  bool answer_waits_ SPIKESERVE_GUARDED_BY(mu_) = false;
  std::optional<Status> finish_ SPIKESERVE_GUARDED_BY(mu_);
  bool wants_notice_ = false;  // said by the client
};

}  // namespace spikeserve::rpc
