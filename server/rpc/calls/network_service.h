#pragma once

#include "server/rpc/calls/change_call.h"
#include "server/rpc/calls/lookup_call.h"
#include "server/rpc/calls/network_lookups.h"
#include "server/rpc/calls/upload_call.h"
#include "server/rpc/context/service_context.h"
#include "server/rpc/context/upload_table.h"
#include "spikeserve/v1/network.grpc.pb.h"

namespace spikeserve::rpc {

// Every method takes its messages as bytes.
using RawNetworkService = v1::NetworkService::WithRawCallbackMethod_LoadNetwork<
    v1::NetworkService::WithRawCallbackMethod_UnloadNetwork<
        v1::NetworkService::WithRawCallbackMethod_GetNetwork<
            v1::NetworkService::WithRawCallbackMethod_ListNetworks<
                v1::NetworkService::WithRawCallbackMethod_SetAlias<
                    v1::NetworkService::WithRawCallbackMethod_DeleteAlias<v1::NetworkService::Service>>>>>>;

// Loads, shows and unloads networks. Takes messages as bytes, so that nothing is parsed before the token and
// the size are checked. Thread-safe.
class NetworkService final : public RawNetworkService {
 public:
  explicit NetworkService(const ServiceContext& context)
      : context_(context),
        uploads_(context.limits.max_uploads, std::chrono::seconds(context.limits.upload_idle_seconds),
                 context.clock) {}

  grpc::ServerReadReactor<grpc::ByteBuffer>* LoadNetwork(grpc::CallbackServerContext* call,
                                                         grpc::ByteBuffer* response) override {
    return UploadCall::Start(context_, uploads_, *call, *response);
  }
  grpc::ServerUnaryReactor* UnloadNetwork(grpc::CallbackServerContext* call, const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) override {
    return ChangeCall::Unload(context_, *call, *request, *response);
  }
  grpc::ServerUnaryReactor* SetAlias(grpc::CallbackServerContext* call, const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override {
    return ChangeCall::SetAlias(context_, *call, *request, *response);
  }
  grpc::ServerUnaryReactor* DeleteAlias(grpc::CallbackServerContext* call, const grpc::ByteBuffer* request,
                                        grpc::ByteBuffer* response) override {
    return ChangeCall::DeleteAlias(context_, *call, *request, *response);
  }
  grpc::ServerUnaryReactor* GetNetwork(grpc::CallbackServerContext* call, const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override {
    return LookupCall::Start(context_, {"GetNetwork", LookupCall::Parsed<AnswerGetNetwork>}, *call, *request,
                             *response);
  }
  grpc::ServerUnaryReactor* ListNetworks(grpc::CallbackServerContext* call, const grpc::ByteBuffer* request,
                                         grpc::ByteBuffer* response) override {
    return LookupCall::Start(context_, {"ListNetworks", LookupCall::Parsed<AnswerListNetworks>}, *call,
                             *request, *response);
  }

 private:
  const ServiceContext& context_;
  UploadTable uploads_;
};

}  // namespace spikeserve::rpc
