#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/support/byte_buffer.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "server/base/status.h"
#include "server/rpc/access/caller.h"
#include "server/rpc/context/call_record.h"
#include "server/rpc/decode/checked_request.h"
#include "server/rpc/wire/wire.h"
#include "server/serving/requests/request.h"
#include "server/serving/tenants/tenant.h"
#include "spikeserve/v1/simulation.pb.h"

namespace spikeserve::rpc {

// How a request is to be run and answered, beside what it says of the run.
struct SubmitOptions {
  std::int64_t report_every = 0;  // steps between readings on the way; 0: none
  std::chrono::system_clock::time_point deadline;
  Caller caller;                            // whose request it is
  std::int64_t extra_bytes_per_sample = 0;  // of the response, beside its tensors
  bool reusable = false;                    // equal requests may be answered alike, where the server does so
  bool at_once = false;                     // the sink may be called before Submit returns
};

// A simulation on its way: from the bytes of a call to the batcher, and its cancellation. Submit by one
// thread, then Cancel by any.
class Submission {
 public:
  Submission(const ServiceContext& context, CallRecord& record) : context_(context), record_(record) {}

  // Reserves memory for what the message takes as received and as parsed, then parses it into `message`.
  // Fields that this server does not know are dropped.
  Status Receive(const grpc::ByteBuffer& bytes, BulkPath bulk, google::protobuf::Message& message);
  // Checks `request`, kept alive by itself, and queues it, or answers it at once by what is kept of an equal
  // one. The sink is called only where the answer is OK.
  // INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, UNAVAILABLE.
  Status Submit(std::shared_ptr<v1::SimulateRequest> request, const SubmitOptions& options,
                serving::ResultSink& sink);
  // The same for a network that was found already, and that the request names by its version.
  Status SubmitTo(serving::NetworkHandle network, std::shared_ptr<const v1::SimulateRequest> request,
                  const SubmitOptions& options, serving::ResultSink& sink);
  // Takes a place among the tenant's requests and goes on with the network, held: at once, or, where it is
  // loaded first and true is answered, by another thread; what fails then is the sink's.
  using Resume = std::function<Status(serving::NetworkHandle network)>;
  Result<bool> With(const std::string& name, std::int64_t version, const SubmitOptions& options,
                    const Resume& resume, serving::ResultSink& sink);
  // The answer, if still open, becomes CANCELLED or DEADLINE_EXCEEDED.
  void Cancel();
  // The same as soon as somebody sweeps the batcher.
  void RequestStop() { stop_.request_stop(); }

  // How to answer; from Submit to Release.
  std::shared_ptr<const AnswerSpec> answer() const { return answer_; }
  // The answer has been made and takes `answer_bytes`: gives back the rest, and the network with it, so
  // that a client that does not read does not keep it.
  void Release(std::int64_t answer_bytes);

 private:
  Status AddToResponse(std::int64_t bytes_per_sample);
  Status ReserveResponse();
  Status Queue(serving::Request queued, const SubmitOptions& options);

  const ServiceContext& context_;
  CallRecord& record_;
  std::shared_ptr<AnswerSpec> answer_;
  std::stop_source stop_;
  serving::AnswerKey key_;  // of those that are answered alike; empty: there are none
  serving::MemoryBudget::Reservation message_reservation_;  // moves on with the request
  serving::MemoryBudget::Reservation response_reservation_;
  serving::Tenant::Permit permit_;  // until the answer is made
};

}  // namespace spikeserve::rpc
