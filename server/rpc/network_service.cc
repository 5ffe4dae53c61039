#include "server/rpc/network_service.h"

#include "server/rpc/call_record.h"
#include "server/rpc/network_info.h"
#include "server/rpc/status.h"
#include "server/rpc/unload_call.h"
#include "server/rpc/upload_call.h"
#include "server/rpc/upload_header.h"

namespace spikeserve::rpc {
namespace {

// The default reactor is made anew each time it is asked for, so it is asked for once.
grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext& call, const Status& status) {
  grpc::ServerUnaryReactor* reactor = call.DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

}  // namespace

grpc::ServerReadReactor<v1::LoadNetworkRequest>* NetworkService::LoadNetwork(
    grpc::CallbackServerContext* call, v1::LoadNetworkResponse* response) {
  return UploadCall::Start(context_, uploads_, *call, *response);
}

grpc::ServerUnaryReactor* NetworkService::UnloadNetwork(grpc::CallbackServerContext* call,
                                                        const v1::UnloadNetworkRequest* request,
                                                        v1::UnloadNetworkResponse* response) {
  return UnloadCall::Start(context_, *call, *request, *response);
}

grpc::ServerUnaryReactor* NetworkService::GetNetwork(grpc::CallbackServerContext* call,
                                                     const v1::GetNetworkRequest* request,
                                                     v1::GetNetworkResponse* response) {
  CallRecord record(context_, "GetNetwork");
  record.network = request->name();
  const Status status = Guarded([&] { return Get(*call, *request, *response); });
  record.version = response->network().version();
  record.SetStatus(status);
  return Answer(*call, status);
}

grpc::ServerUnaryReactor* NetworkService::ListNetworks(grpc::CallbackServerContext* call,
                                                       const v1::ListNetworksRequest*,
                                                       v1::ListNetworksResponse* response) {
  CallRecord record(context_, "ListNetworks");
  const Status status = Guarded([&] { return List(*call, *response); });
  record.SetStatus(status);
  return Answer(*call, status);
}

Status NetworkService::Get(const grpc::CallbackServerContext& call, const v1::GetNetworkRequest& request,
                           v1::GetNetworkResponse& response) const {
  if (Status status = context_.authorizer.Check(call, Scope::kUse); !status.ok()) return status;
  if (Status status = CheckNetworkName(request.name(), request.version()); !status.ok()) return status;
  const auto listing = context_.registry.Find(request.name(), request.version());
  if (!listing.ok()) return listing.status();
  *response.mutable_network() = EncodeNetworkInfo(listing.value());
  return {};
}

Status NetworkService::List(const grpc::CallbackServerContext& call,
                            v1::ListNetworksResponse& response) const {
  if (Status status = context_.authorizer.Check(call, Scope::kUse); !status.ok()) return status;
  for (const serving::NetworkListing& listing : context_.registry.List()) {
    *response.add_networks() = EncodeNetworkInfo(listing);
  }
  return {};
}

}  // namespace spikeserve::rpc
