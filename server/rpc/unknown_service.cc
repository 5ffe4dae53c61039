#include "server/rpc/unknown_service.h"

#include <string>

#include "server/base/guarded.h"
#include "server/base/quote.h"
#include "server/rpc/context/call_gate.h"
#include "server/rpc/context/call_record.h"
#include "server/rpc/reflection_service.h"

namespace spikeserve::rpc {
namespace {

Status Refusal(const std::string& method) {
  std::string text = "method: got " + Quote(method) + ", wanted one of the services ";
  for (const std::string& name : ServiceNames()) {
    text += (text.back() == ' ' ? "" : ", ") + name;
  }
  return {StatusCode::kUnimplemented, text + "; reflection lists their methods"};
}

// Deletes itself when it is over.
class UnknownCall final : public grpc::ServerGenericBidiReactor {
 public:
  UnknownCall(const ServiceContext& context, grpc::GenericCallbackServerContext& call)
      : pass_(context.gate, call), record_(context, call, "unknown") {
    const Status status =
        Guarded([&] { return pass_.status().ok() ? Refusal(call.method()) : pass_.status(); });
    record_.SetStatus(status);
    Finish(record_.ToGrpc(status));
  }
  void OnDone() override { delete this; }

 private:
  CallGate::Pass pass_;
  CallRecord record_;
};

}  // namespace

grpc::ServerGenericBidiReactor* UnknownService::CreateReactor(grpc::GenericCallbackServerContext* call) {
  return new UnknownCall(context_, *call);
}

}  // namespace spikeserve::rpc
