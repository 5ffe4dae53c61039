#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <optional>
#include <stop_token>

#include "server/rpc/context/call_gate.h"
#include "server/rpc/context/call_record.h"
#include "server/rpc/context/upload_table.h"
#include "server/serving/memory_budget.h"
#include "server/serving/networks/network_loader.h"
#include "server/serving/networks/network_registry.h"
#include "server/serving/tenants/tenant.h"
#include "spikeserve/v1/network.pb.h"

namespace spikeserve::rpc {

// One LoadNetwork call: takes the header, reserves what it announces, collects the chunks, and has the
// task thread load them. Deletes itself when it is over. gRPC calls one at a time, except OnCancel.
class UploadCall final : public grpc::ServerReadReactor<grpc::ByteBuffer> {
 public:
  // Begins the call. `uploads` and `response` outlive it.
  static grpc::ServerReadReactor<grpc::ByteBuffer>* Start(const ServiceContext& context, UploadTable& uploads,
                                                          grpc::CallbackServerContext& call,
                                                          grpc::ByteBuffer& response);
  ~UploadCall() override;

  void OnReadDone(bool ok) override;
  void OnCancel() override { stop_.request_stop(); }
  void OnDone() override { delete this; }

 private:
  UploadCall(const ServiceContext& context, UploadTable& uploads, grpc::CallbackServerContext& call,
             grpc::ByteBuffer& response)
      : context_(context),
        uploads_(uploads),
        call_(call),
        pass_(context.gate, call),
        response_(response),
        record_(context, call, "LoadNetwork") {}

  Status Admit();
  Status Take();
  Status CheckMessage() const;
  Status TakeHeader(const v1::LoadNetworkHeader& header);
  Status TakeChunk(const std::string& chunk);
  Status TakeEnd();
  Status Unpack();
  Status Load();
  void FinishWith(const Status& status);

  const ServiceContext& context_;
  UploadTable& uploads_;
  grpc::CallbackServerContext& call_;
  CallGate::Pass pass_;
  grpc::ByteBuffer& response_;
  CallRecord record_;
  serving::TenantHandle tenant_;  // who loads
  std::stop_source stop_;
  grpc::ByteBuffer message_;  // of the read under way
  v1::LoadNetworkHeader header_;
  serving::MemoryBudget::Reservation reservation_;
  std::optional<serving::NetworkRegistry::Claim> claim_;  // from the header until it is loaded
  serving::Upload upload_;
};

}  // namespace spikeserve::rpc
