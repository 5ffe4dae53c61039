#include "server/rpc/rpc_server.h"

#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "server/rpc/access/metadata_limit.h"
#include "server/transport/transport.h"

namespace spikeserve::rpc {
namespace {

// Clients of long runs may ping this often without being cut off.
constexpr int kMinPingIntervalMs = 10'000;
// After this long without a sign of life a connection is dead, and with it its uploads and runs.
constexpr int kKeepaliveMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;
// A client says who it is within this time, and one without a call for so long connects again.
constexpr int kHandshakeTimeoutMs = 10'000;
constexpr int kMaxConnectionIdleMs = 600'000;

int Milliseconds(std::chrono::seconds time) {
  return static_cast<int>(std::chrono::milliseconds(time).count());
}

void Configure(grpc::ServerBuilder& builder, const RpcServerOptions& options, const Limits& limits) {
  constexpr std::int64_t kMaxInt = std::numeric_limits<int>::max();
  builder.SetMaxReceiveMessageSize(static_cast<int>(std::min(limits.max_message_bytes, kMaxInt)));
  builder.SetMaxSendMessageSize(-1);
  // A packed message is unpacked before any limit is looked at, up to a thousand times its size.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxConnectionMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_streams);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kMinPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kMaxConnectionIdleMs);
  if (options.max_connection_age.count() > 0) {
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, Milliseconds(options.max_connection_age));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, Milliseconds(options.age_grace));
  }
  grpc::ResourceQuota quota("spikeserve");
  quota.Resize(static_cast<std::size_t>(options.max_transport_bytes));
  builder.SetResourceQuota(quota);
}

// Has `server` serve a connection that was accepted.
void TakeConnection(grpc::experimental::ExternalConnectionAcceptor& acceptor, int descriptor) {
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
  connection.fd = descriptor;
  acceptor.HandleNewConnection(&connection);
}

}  // namespace

Result<std::unique_ptr<RpcServer>> RpcServer::Start(const ServiceContext& context, HealthReporter& health,
                                                    const RpcServerOptions& options) {
  grpc::EnableDefaultHealthCheckService(true);
  std::unique_ptr<RpcServer> self(new RpcServer(context, health));
  auto transport = transport::Transport::Listen(options.transport, context.clock);
  if (!transport.ok()) {
    return Status(transport.status().code(), "cannot listen on " + options.transport.address +
                                                 " (--listen): " + transport.status().message());
  }
  self->transport_ = std::move(transport).value();
  grpc::ServerBuilder builder;
  Configure(builder, options, context.limits);
  std::shared_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor =  // TLS ends in the transport
      builder.experimental().AddExternalConnectionAcceptor(
          grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
          grpc::InsecureServerCredentials());
  builder.RegisterService(&self->networks_);
  builder.RegisterService(&self->simulations_);
  builder.RegisterService(&self->inference_);
  builder.RegisterService(&self->reflection_);
  builder.RegisterService(&self->old_reflection_);
  builder.RegisterCallbackGenericService(&self->unknown_);
  self->server_ = builder.BuildAndStart();
  if (self->server_ == nullptr) {
    return Internal("gRPC does not start");
  }
  self->transport_->Serve([acceptor](int descriptor) { TakeConnection(*acceptor, descriptor); });
  health.Attach(*self->server_->GetHealthCheckService());
  return self;
}

RpcServer::RpcServer(const ServiceContext& context, HealthReporter& health)
    : health_(health),
      networks_(context),
      simulations_(context),
      inference_(context),
      reflection_(context),
      old_reflection_(context),
      unknown_(context) {}

const std::string& RpcServer::address() const { return transport_->address(); }

transport::TransportCounts RpcServer::transport_counts() const { return transport_->counts(); }

Status RpcServer::SetTls(const transport::TlsTexts& texts) { return transport_->SetTls(texts); }

void RpcServer::StopAccepting() { transport_->StopAccepting(); }

std::int64_t RpcServer::unsent() const { return transport_->unsent(); }

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
  transport_->StopAccepting();  // first: gRPC leaks a connection that it is given after its end
  EndStreams();
  server_->Shutdown(deadline);
  server_.reset();
}

}  // namespace spikeserve::rpc
