#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "server/base/status.h"
#include "server/serving/requests/run.h"

namespace prometheus {
class Registry;
}

namespace spikeserve::serving {

// What is read at the moment somebody asks.
struct Gauges {
  std::int64_t queued_samples = 0;
  std::int64_t networks_ready = 0;
  std::int64_t resident_bytes = 0;  // of these networks
  std::int64_t memory_used_bytes = 0;
  std::int64_t memory_limit_bytes = 0;
};

// Upper-case name of a code, as gRPC writes it.
const char* CodeName(StatusCode code);

// The server's counters and histograms, in Prometheus form. Thread-safe.
class Metrics {
 public:
  Metrics(const std::string& version, const std::string& backend);
  ~Metrics();

  void CountRequest(const std::string& method, StatusCode code, double seconds);
  void CountRun(const RunRecord& record);
  // Called at each scrape; set before the first.
  void SetGaugeSource(std::function<Gauges()> source);

  // Where further metrics are added.
  prometheus::Registry& registry() { return *registry_; }

  // The text exposition format, version 0.0.4.
  std::string Expose();

 private:
  struct Families;

  const std::shared_ptr<prometheus::Registry> registry_;
  const std::unique_ptr<Families> families_;
  std::function<Gauges()> gauge_source_;
};

}  // namespace spikeserve::serving
