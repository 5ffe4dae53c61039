#pragma once

#include <grpcpp/channel.h>

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>

#include "server/base/status.h"
#include "server/http/server.h"
#include "server/rest/gateway.h"
#include "server/serving/memory_budget.h"

namespace spikeserve::rest {

// The Open Inference Protocol over HTTP: a client, within this process, of the gRPC service of the same
// protocol. Serves from its own threads until Stop.
class RestServer {
 public:
  // `channel` leads to the server that answers. UNAVAILABLE, INVALID_ARGUMENT. `budget` outlives this.
  static Result<std::unique_ptr<RestServer>> Start(const http::Options& options,
                                                   const std::shared_ptr<grpc::Channel>& channel,
                                                   serving::MemoryBudget& budget,
                                                   Gateway::CheckToken check_token);
  // As Stop without patience. The server behind the channel must be shut down, or about to answer all.
  ~RestServer();

  // HOST:PORT with the port in use.
  const std::string& address() const { return http_->address(); }

  // From now on every answer ends its connection, so that the client opens the next one elsewhere.
  void EndConnections() { http_->EndConnections(); }
  // Connections from now on get this certificate. INVALID_ARGUMENT where the texts do not fit.
  Status SetTls(const http::TlsTexts& texts) { return http_->SetTls(texts); }
  // From now on every request is answered 503.
  void Close() { gateway_.Close(); }
  // Returns once all requests that were read are answered, at the deadline, or when stopped. Before the
  // server behind the channel is shut down, which within one process cuts off the calls under way.
  void WaitIdle(std::chrono::steady_clock::time_point deadline, std::stop_token stop = {}) {
    http_->WaitIdle(deadline, std::move(stop));
  }
  // Waits for answers that clients still read, at most until the deadline or a stop of `hurry`, and closes
  // all connections. Only after Close and after the server behind the channel was shut down.
  void Stop(std::chrono::steady_clock::time_point deadline, std::stop_token hurry = {});

 private:
  RestServer(const std::shared_ptr<grpc::Channel>& channel, serving::MemoryBudget& budget,
             Gateway::CheckToken check_token)
      : gateway_(channel, budget, std::move(check_token)) {}

  Gateway gateway_;
  std::unique_ptr<http::Server> http_;
};

}  // namespace spikeserve::rest
