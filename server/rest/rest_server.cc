#include "server/rest/rest_server.h"

#include <utility>

namespace spikeserve::rest {

Result<std::unique_ptr<RestServer>> RestServer::Start(const http::Options& options,
                                                      const std::shared_ptr<grpc::Channel>& channel,
                                                      serving::MemoryBudget& budget,
                                                      Gateway::CheckToken check_token) {
  std::unique_ptr<RestServer> self(new RestServer(channel, budget, std::move(check_token)));
  auto server = http::Server::Start(options, self->gateway_);
  if (!server.ok()) {
    return server.status();
  }
  self->http_ = std::move(server).value();
  return self;
}

RestServer::~RestServer() { Stop(std::chrono::steady_clock::now()); }

void RestServer::Stop(std::chrono::steady_clock::time_point deadline, std::stop_token hurry) {
  gateway_.Close();
  if (http_) {
    http_->WaitIdle(deadline, std::move(hurry));
    gateway_.WaitIdle();
    http_.reset();
  }
}

}  // namespace spikeserve::rest
