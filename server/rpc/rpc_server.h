#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/server.h>

#include <chrono>
#include <memory>
#include <string>

#include "server/base/status.h"
#include "server/rpc/calls/inference_service.h"
#include "server/rpc/calls/network_service.h"
#include "server/rpc/calls/simulation_service.h"
#include "server/rpc/context/service_context.h"
#include "server/rpc/health_reporter.h"
#include "server/rpc/reflection_service.h"
#include "server/rpc/unknown_service.h"
#include "server/transport/transport_options.h"

namespace spikeserve::transport {
class Transport;
}

namespace spikeserve::rpc {

// Where the server listens, and how much it takes at the same time.
struct RpcServerOptions {
  transport::TransportOptions transport;
  int max_streams = 256;                                     // calls at the same time on one connection
  std::int64_t max_transport_bytes = std::int64_t{1} << 30;  // buffers of messages being received or sent
  // A connection is asked to end when it is so old, and ended `age_grace` later; 0: it may stay.
  std::chrono::seconds max_connection_age{0};
  std::chrono::seconds age_grace{30};
};

// The gRPC server with its services, health and reflection. Serves from its own threads until Shutdown.
class RpcServer {
 public:
  // UNAVAILABLE where the address cannot be listened on. `context` and `health` outlive the server.
  static Result<std::unique_ptr<RpcServer>> Start(const ServiceContext& context, HealthReporter& health,
                                                  const RpcServerOptions& options);
  ~RpcServer();

  // Certificates for connections from now on; see Transport::SetTls. Thread-safe.
  Status SetTls(const transport::TlsTexts& texts);
  // Where it listens: HOST:PORT with the port in use, or unix:PATH.
  const std::string& address() const;
  // Of its connections.
  transport::TransportCounts transport_counts() const;
  // To this server without a network in between.
  std::shared_ptr<grpc::Channel> InProcessChannel();
  // Tells the clients of sessions that these end at that time.
  void Announce(Clock::TimePoint end) { simulations_.Announce(end); }
  // Ends sessions and streams, which clients would keep open, each after what it works on.
  void EndStreams();
  // Lets nobody in any more; connections go on.
  void StopAccepting();
  // Connections with bytes of answers that their clients do not take now.
  std::int64_t unsent() const;
  // Refuses new calls, waits for those under way and cancels what is left at the deadline.
  void Shutdown(std::chrono::system_clock::time_point deadline);

 private:
  RpcServer(const ServiceContext& context, HealthReporter& health);

  HealthReporter& health_;
  NetworkService networks_;
  SimulationService simulations_;
  InferenceService inference_;
  ReflectionService reflection_;
  OldReflectionService old_reflection_;
  UnknownService unknown_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<grpc::Server> server_;  // last: its calls use the services, its connections the transport
};

}  // namespace spikeserve::rpc
