#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/serving/answers/answers.h"
#include "server/serving/metrics/request_facts.h"
#include "server/serving/requests/run.h"

namespace prometheus {
class Registry;
}

namespace spikeserve::serving {

// One GPU, whoever uses it.
struct GpuGauges {
  std::string id;
  double utilization = -1;  // 0 to 1; less: not known
  std::int64_t memory_used_bytes = 0;
  std::int64_t memory_total_bytes = 0;
};

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
  double queued_work_s = 0;  // that these are expected to take one worker
  std::int64_t networks_ready = 0;
  std::int64_t networks_stored = 0;  // that are not resident, and come when they are asked for
  std::int64_t resident_bytes = 0;   // of these networks
  std::int64_t memory_used_bytes = 0;
  std::int64_t memory_limit_bytes = 0;
  std::int64_t log_lines_lost = 0;  // since the start
  std::int64_t spans_sent = 0;      // since the start
  std::int64_t spans_lost = 0;      // since the start
  std::int64_t http_connections = 0;
  std::set<std::string> network_names;  // of those that are ready
  std::vector<GpuGauges> gpus;
  ConnectionCounts connections;
  std::optional<AnswerCounts> answers = {};                // absent: requests are not answered alike
  std::optional<std::set<std::string>> tenant_names = {};  // who may call; absent: not known
};

// Calls of one method that are not over.
struct InFlight {
  std::string method;
  std::int64_t calls = 0;
};

enum class MetricsFormat { kPrometheus, kOpenMetrics };

// Upper-case name of a code, as gRPC writes it.
const char* CodeName(StatusCode code);

// The server's counters and histograms, in Prometheus form. Thread-safe.
class Metrics {
 public:
  // At most `max_networks` networks are told apart.
  Metrics(const std::string& version, const std::string& backend, std::int64_t max_networks = 100);
  ~Metrics();

  // A call begins; CountRequest follows when it is over.
  void BeginRequest(const std::string& method);
  void CountRequest(const RequestFacts& facts);
  void CountRun(const RunRecord& record);
  // A stored network was made resident, this long after it was first asked for.
  void CountColdStart(double seconds);
  // One was asked for and could not be.
  void CountFailedColdStart();
  // One was let go of to make room.
  void CountEviction();
  // Of the methods that were called yet.
  std::vector<InFlight> in_flight() const;
  // Called at each scrape; set before the first.
  void SetGaugeSource(std::function<Gauges()> source);

  // Where further metrics are added.
  prometheus::Registry& registry() { return *registry_; }

  // The text exposition format, version 0.0.4, or that of OpenMetrics, version 1.0.0, which has exemplars.
  std::string Expose(MetricsFormat format = MetricsFormat::kPrometheus);

 private:
  struct Families;

  void ReadGauges() SPIKESERVE_REQUIRES(expose_mu_);
  void ShowAnswers(const AnswerCounts& answers) SPIKESERVE_REQUIRES(expose_mu_);

  const std::shared_ptr<prometheus::Registry> registry_;
  const std::unique_ptr<Families> families_;
  std::function<Gauges()> gauge_source_;
  Mutex expose_mu_;  // one scrape at a time: they set what they then read
};

}  // namespace spikeserve::serving
