#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

#include "inference/grpc_service.pb.h"
#include "server/rpc/context/call_gate.h"
#include "server/rpc/context/call_record.h"
#include "server/serving/memory_budget.h"
#include "server/serving/networks/network_loader.h"
#include "server/serving/networks/network_registry.h"
#include "server/serving/tenants/tenant.h"

namespace spikeserve::rpc {

// One RepositoryModelLoad or RepositoryModelUnload call: the work is done on the task thread. Deletes itself
// when it is over.
class RepositoryCall final : public grpc::ServerUnaryReactor {
 public:
  // Begin the call. `response` lives as long as it does.
  static grpc::ServerUnaryReactor* Load(const ServiceContext& context, grpc::CallbackServerContext& call,
                                        const grpc::ByteBuffer& request, grpc::ByteBuffer& response);
  static grpc::ServerUnaryReactor* Unload(const ServiceContext& context, grpc::CallbackServerContext& call,
                                          const grpc::ByteBuffer& request, grpc::ByteBuffer& response);

  void OnCancel() override { stop_.request_stop(); }
  void OnDone() override { delete this; }

 private:
  RepositoryCall(const ServiceContext& context, const char* method, grpc::CallbackServerContext& call,
                 grpc::ByteBuffer& response)
      : context_(context),
        call_(call),
        pass_(context.gate, call),
        response_(response),
        record_(context, call, method) {}
  ~RepositoryCall() override;

  // Begin the work; the rest follows on the task thread where the answer is OK.
  Status BeginLoad(const grpc::ByteBuffer& request);
  Status BeginUnload(const grpc::ByteBuffer& request);
  // The file of the request, where it brings one, and the right to load it.
  Status TakeFile();
  Status LoadFile();
  Status SendLoaded();
  // Answers once a version is ready, as none is brought along.
  void AwaitResident();
  Status Send(const google::protobuf::MessageLite& message);
  void FinishWith(const Status& status);

  const ServiceContext& context_;
  grpc::CallbackServerContext& call_;
  CallGate::Pass pass_;
  grpc::ByteBuffer& response_;
  CallRecord record_;
  serving::TenantHandle tenant_;  // who loads
  std::stop_source stop_;
  inference::RepositoryModelLoadRequest message_;
  serving::MemoryBudget::Reservation message_bytes_;
  std::int64_t received_bytes_ = 0;
  serving::MemoryBudget::Reservation upload_bytes_;
  std::optional<serving::NetworkRegistry::Claim> claim_;
  serving::Upload upload_;
};

}  // namespace spikeserve::rpc
