#pragma once

#include <functional>
#include <memory>
#include <string>

#include "server/base/status.h"
#include "server/serving/metrics/metrics.h"

namespace spikeserve::serving {

// Plain HTTP for probes and Prometheus: /metrics, /healthz (the process is up), /readyz (200 or 503).
// Answers from its own threads until destroyed.
class MetricsServer {
 public:
  // UNAVAILABLE where the address is in use. `metrics` outlives the server.
  static Result<std::unique_ptr<MetricsServer>> Start(const std::string& address, Metrics& metrics,
                                                      std::function<bool()> ready);
  ~MetricsServer();

  // The port in use, also where port 0 was asked for.
  int port() const;

 private:
  struct Parts;
  explicit MetricsServer(std::unique_ptr<Parts> parts);

  const std::unique_ptr<Parts> parts_;
};

}  // namespace spikeserve::serving
