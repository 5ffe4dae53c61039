#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include "server/rpc/context/call_gate.h"
#include "server/rpc/context/call_record.h"
#include "server/rpc/wire/wire.h"
#include "server/serving/memory_budget.h"

namespace spikeserve::rpc {

// One call that is answered at once from what there is: checks the token, then the size of the message, and
// only then reads it. Holds the memory reserved for the answer until it is sent. Deletes itself when it is
// over.
class LookupCall final : public grpc::ServerUnaryReactor {
 public:
  // Makes the answer to a small message and sends it with Send.
  using Answer = Status (*)(LookupCall& lookup, const grpc::ByteBuffer& request);
  // Such an answer by a function that takes the message parsed.
  template <auto kAnswer>
  static Status Parsed(LookupCall& lookup, const grpc::ByteBuffer& request) {
    decltype(MessageOf(kAnswer)) message;
    if (Status status = ParseSmall(request, message); !status.ok()) {
      return status;
    }
    return kAnswer(lookup, message);
  }
  struct Method {
    const char* name;  // in the log and the metrics
    Answer answer;
    Scope scope = Scope::kUse;
  };

  // Begins the call; `response` lives as long as it does.
  static grpc::ServerUnaryReactor* Start(const ServiceContext& context, const Method& method,
                                         grpc::CallbackServerContext& call, const grpc::ByteBuffer& request,
                                         grpc::ByteBuffer& response);

  void OnDone() override { delete this; }

  // For who makes the answer.
  const ServiceContext& context() const { return context_; }
  CallRecord& record() { return record_; }
  // Room for an answer of about so many bytes. RESOURCE_EXHAUSTED.
  Status Reserve(std::int64_t answer_bytes);
  Status Send(const google::protobuf::MessageLite& message);

 private:
  template <typename Message>
  static Message MessageOf(Status (*answer)(LookupCall&, const Message&));

  LookupCall(const ServiceContext& context, const char* method, grpc::CallbackServerContext& call,
             grpc::ByteBuffer& response)
      : context_(context),
        call_(call),
        pass_(context.gate, call),
        record_(context, call, method),
        response_(response) {}
  ~LookupCall() override;

  void FinishWith(const Status& status);

  const ServiceContext& context_;
  grpc::CallbackServerContext& call_;
  CallGate::Pass pass_;
  CallRecord record_;
  grpc::ByteBuffer& response_;
  serving::MemoryBudget::Reservation reservation_;
};

}  // namespace spikeserve::rpc
