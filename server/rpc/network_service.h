#pragma once

#include "server/rpc/service_context.h"
#include "server/rpc/upload_table.h"
#include "spikeserve/v1/network.grpc.pb.h"

namespace spikeserve::rpc {

// Loads, shows and unloads networks. Thread-safe.
class NetworkService final : public v1::NetworkService::CallbackService {
 public:
  explicit NetworkService(const ServiceContext& context)
      : context_(context),
        uploads_(context.limits.max_uploads, std::chrono::seconds(context.limits.upload_idle_seconds),
                 context.clock) {}

  grpc::ServerReadReactor<v1::LoadNetworkRequest>* LoadNetwork(grpc::CallbackServerContext* call,
                                                               v1::LoadNetworkResponse* response) override;
  grpc::ServerUnaryReactor* UnloadNetwork(grpc::CallbackServerContext* call,
                                          const v1::UnloadNetworkRequest* request,
                                          v1::UnloadNetworkResponse* response) override;
  grpc::ServerUnaryReactor* GetNetwork(grpc::CallbackServerContext* call,
                                       const v1::GetNetworkRequest* request,
                                       v1::GetNetworkResponse* response) override;
  grpc::ServerUnaryReactor* ListNetworks(grpc::CallbackServerContext* call,
                                         const v1::ListNetworksRequest* request,
                                         v1::ListNetworksResponse* response) override;

 private:
  Status Get(const grpc::CallbackServerContext& call, const v1::GetNetworkRequest& request,
             v1::GetNetworkResponse& response) const;
  Status List(const grpc::CallbackServerContext& call, v1::ListNetworksResponse& response) const;

  const ServiceContext& context_;
  UploadTable uploads_;
};

}  // namespace spikeserve::rpc
