#include "server/rpc/rpc_server.h"

#include <grpcpp/resource_quota.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <limits>

namespace spikeserve::rpc {
namespace {

// Clients of long runs may ping this often without being cut off.
constexpr int kMinPingIntervalMs = 10'000;
// After this long without a sign of life a connection is dead, and with it its uploads and runs.
constexpr int kKeepaliveMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;

void Configure(grpc::ServerBuilder& builder, const RpcServerOptions& options, const Limits& limits) {
  constexpr std::int64_t kMaxInt = std::numeric_limits<int>::max();
  builder.SetMaxReceiveMessageSize(static_cast<int>(std::min(limits.max_message_bytes, kMaxInt)));
  builder.SetMaxSendMessageSize(-1);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // an address in use is an error
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_streams);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kMinPingIntervalMs);
  grpc::ResourceQuota quota("spikeserve");
  quota.Resize(static_cast<std::size_t>(options.max_transport_bytes));
  builder.SetResourceQuota(quota);
}

bool IsUnix(const std::string& address) { return address.rfind("unix:", 0) == 0; }

// HOST:PORT with the port that was chosen.
std::string BoundAddress(const std::string& address, int port) {
  const std::size_t colon = address.rfind(':');
  if (IsUnix(address) || colon == std::string::npos) {
    return address;
  }
  return address.substr(0, colon + 1) + std::to_string(port);
}

}  // namespace

Result<std::unique_ptr<RpcServer>> RpcServer::Start(const ServiceContext& context, HealthReporter& health,
                                                    const RpcServerOptions& options) {
  grpc::EnableDefaultHealthCheckService(true);
  std::unique_ptr<RpcServer> self(new RpcServer(context, health));
  grpc::ServerBuilder builder;
  Configure(builder, options, context.limits);
  int port = 0;
  builder.AddListeningPort(options.address, options.credentials, &port);
  builder.RegisterService(&self->networks_);
  builder.RegisterService(&self->simulations_);
  builder.RegisterService(&self->inference_);
  builder.RegisterService(&self->reflection_);
  builder.RegisterService(&self->old_reflection_);
  builder.RegisterCallbackGenericService(&self->unknown_);
  self->server_ = builder.BuildAndStart();
  if (self->server_ == nullptr || port == 0) {
    return Unavailable(
        "cannot listen on " + options.address +
        " (--listen): the address is in use, not of this machine, or the TLS files do not fit");
  }
  self->address_ = BoundAddress(options.address, port);
  health.Attach(*self->server_->GetHealthCheckService());
  return self;
}

RpcServer::~RpcServer() { Shutdown(std::chrono::system_clock::now()); }

std::shared_ptr<grpc::Channel> RpcServer::InProcessChannel() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);  // answers have a limit of their own
  return server_->InProcessChannel(arguments);
}

void RpcServer::EndStreams() {
  simulations_.Drain();
  inference_.Drain();
}

void RpcServer::Shutdown(std::chrono::system_clock::time_point deadline) {
  if (server_ == nullptr) {
    return;
  }
  health_.Detach();
  EndStreams();
  server_->Shutdown(deadline);
  server_.reset();
}

}  // namespace spikeserve::rpc
