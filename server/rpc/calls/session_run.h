#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/base/status.h"
#include "server/base/stop_check.h"
#include "server/rpc/context/service_context.h"
#include "server/rpc/decode/checked_request.h"
#include "server/serving/requests/session.h"
#include "server/serving/tenants/tenant.h"
#include "spikeserve/v1/simulation.pb.h"

namespace spikeserve::rpc {

// The messages of a session, checked and answered; what they mean to the simulation is the business of
// serving::Session. One thread at a time.
class SessionRun {
 public:
  explicit SessionRun(const ServiceContext& context) : context_(context) {}

  // Whose session it is; first of all. RESOURCE_EXHAUSTED where the tenant may have no further one.
  Status TakePlace(serving::TenantHandle tenant);
  // The session is over: its tenant may open another.
  void GiveUpPlace() { permit_ = {}; }
  // There was no session: it counts for nothing.
  void ReturnPlace() { permit_.GiveBack(); }

  // Looks for the network of the opening; Open follows when `found` is called, at once or by another thread.
  void Seek(const v1::SessionOpen& open, serving::Residency::Wait wait, std::function<void()> found);
  // Checks the opening, takes the network and makes the state of all samples, within the memory budget.
  // INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, UNAVAILABLE, UNIMPLEMENTED.
  Status Open(const v1::SessionOpen& open);
  // Checks a message and takes its inputs; `message` lives until the steps are done.
  Status Begin(const v1::SessionAdvance& message);
  // Runs the next chunk of steps of the message. CANCELLED where `stopped` says so between two samples, after
  // which only the end is left.
  Status RunChunk(const StopCheck& stopped) { return session_->Advance(stopped); }
  // Whether steps of the message remain.
  bool running() const { return open() && session_->running(); }
  // The answer to the message.
  Result<v1::SessionProgress> Finish();
  // INVALID_ARGUMENT where a sample is not of the batch.
  Status Reset(const v1::SessionReset& message);

  // Of the session, up to the last message that was answered.
  std::int64_t steps_done() const { return steps_done_; }

  bool open() const { return session_ != nullptr; }
  // Whether the opening was in order, though there may have been no memory for it: how to answer then.
  bool checked() const { return answer_.has_value(); }
  const AnswerSpec& answer() const { return *answer_; }

 private:
  Status CheckPiece(const v1::SessionAdvance& message, DecodedInputs& inputs);

  const ServiceContext& context_;
  std::optional<AnswerSpec> answer_;
  std::unique_ptr<serving::Session> session_;
  std::optional<Result<serving::NetworkHandle>> network_;  // from Seek to Open
  serving::TenantHandle tenant_;
  serving::Tenant::Permit permit_;     // from TakePlace to GiveUpPlace
  std::int64_t steps_ = 0;             // of the message
  std::vector<std::string> warnings_;  // of its inputs
  std::int64_t steps_done_ = 0;
};

}  // namespace spikeserve::rpc
