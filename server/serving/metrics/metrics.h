#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/serving/requests/run.h"

namespace prometheus {
class Registry;
}

namespace spikeserve::serving {

// gRPC connections, and what was done to some of them since the start, by reason.
struct ConnectionCounts {
  using ByReason = std::vector<std::pair<std::string, std::int64_t>>;
  std::int64_t open = 0;
  ByReason refused;
  ByReason pauses;
  ByReason closes;
};

// What is read at the moment somebody asks.
struct Gauges {
  std::int64_t queued_samples = 0;
  std::int64_t networks_ready = 0;
  std::int64_t resident_bytes = 0;  // of these networks
  std::int64_t memory_used_bytes = 0;
  std::int64_t memory_limit_bytes = 0;
  ConnectionCounts connections{};
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

  // The text exposition format, version 0.0.4.
  std::string Expose();

 private:
  struct Families;

  const std::shared_ptr<prometheus::Registry> registry_;
  const std::unique_ptr<Families> families_;
  std::function<Gauges()> gauge_source_;
};

}  // namespace spikeserve::serving
