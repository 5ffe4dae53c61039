#pragma once

#include <functional>
#include <memory>
#include <string>

#include "server/base/status.h"
#include "server/http/server.h"
#include "server/serving/metrics/metrics.h"
#include "server/serving/metrics/status_page.h"

namespace spikeserve::serving {

// Plain HTTP for probes, Prometheus and people: /metrics, /healthz (the process is up), /readyz (200 or 503),
// /statusz. Answers from its own threads until destroyed. Connections that are silent, and however many of
// them, keep nobody waiting.
class MetricsServer {
 public:
  // What the pages say; asked by any thread.
  struct Sources {
    std::function<bool()> ready;
    std::function<StatusPage()> status;
  };

  // UNAVAILABLE where the address cannot be listened on. `metrics` outlives the server.
  static Result<std::unique_ptr<MetricsServer>> Start(const std::string& address, Metrics& metrics,
                                                      Sources sources);
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
