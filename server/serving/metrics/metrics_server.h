#pragma once

#include <functional>
#include <memory>
#include <string>

#include "server/base/status.h"
#include "server/http/server.h"
#include "server/serving/metrics/metrics.h"

namespace spikeserve::serving {

// Plain HTTP for probes and Prometheus: /metrics, /healthz (the process is up), /readyz (200 or 503).
// Answers from its own threads until destroyed. Connections that are silent, and however many of them, keep
// nobody waiting.
class MetricsServer {
 public:
  // UNAVAILABLE where the address cannot be listened on. `metrics` outlives the server.
  static Result<std::unique_ptr<MetricsServer>> Start(const std::string& address, Metrics& metrics,
                                                      std::function<bool()> ready);
  ~MetricsServer();

  // HOST:PORT with the port in use.
  const std::string& address() const { return http_->address(); }

 private:
  class Pages;
  explicit MetricsServer(std::unique_ptr<Pages> pages);

  const std::unique_ptr<Pages> pages_;
  std::unique_ptr<http::Server> http_;  // last: asks for pages
};

}  // namespace spikeserve::serving
