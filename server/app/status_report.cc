#include "server/app/status_report.h"

#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>

#include "server/app/version.h"

namespace spikeserve::app {
namespace {

using serving::StatusPage;
using serving::StatusSection;

constexpr double kMillisecondsPerSecond = 1e3;

// In UTC, to the second.
std::string TimeText(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

const char* StateName(serving::NetworkState state) {
  switch (state) {
    case serving::NetworkState::kLoading: return "LOADING";
    case serving::NetworkState::kReady: return "READY";
    case serving::NetworkState::kUnloading: return "UNLOADING";
    case serving::NetworkState::kStored: return "STORED";
  }
  return "UNKNOWN";
}

double MeanMilliseconds(const serving::TimedCount& times) {
  return times.count > 0 ? times.seconds / static_cast<double>(times.count) * kMillisecondsPerSecond : 0;
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : ", ") + word;
  }
  return text;
}

StatusSection Networks(const std::vector<serving::NetworkListing>& listings,
                       const serving::Aliases& aliases) {
  StatusSection section{"networks",
                        {"name", "version", "aliases", "state", "bytes", "requests", "failures", "samples",
                         "mean_queue_ms", "mean_compute_ms"},
                        {},
                        false};
  for (const serving::NetworkListing& listing : listings) {
    serving::NetworkStatistics::Snapshot counts;
    std::int64_t bytes = 0;
    if (listing.handle) {
      counts = listing.handle->statistics->Read();
      bytes = listing.handle->resident_bytes();
    }
    section.rows.push_back({listing.name, listing.version, Joined(aliases.Of(listing.name, listing.version)),
                            std::string(StateName(listing.state)), bytes, counts.succeeded.count,
                            counts.failed.count, counts.samples, MeanMilliseconds(counts.queued),
                            MeanMilliseconds(counts.computed)});
  }
  return section;
}

// Without a row where nothing is kept.
StatusSection ResponseCache(const std::optional<serving::AnswerCounts>& counts, std::int64_t limit_bytes) {
  StatusSection section{"response_cache",
                        {"answers", "bytes", "limit_bytes", "hits", "misses", "coalesced", "evicted"},
                        {},
                        false};
  if (counts) {
    section.rows.push_back({counts->kept, counts->bytes, limit_bytes, counts->hits, counts->misses,
                            counts->coalesced, counts->evicted});
  }
  return section;
}

// Without a row where networks are not stored.
StatusSection Repository(const std::optional<serving::RepositoryReading>& reading) {
  StatusSection section{
      "repository",
      {"folder", "role", "polls", "failed_polls", "last_poll", "last_error", "skipped_files"},
      {},
      false};
  if (reading) {
    const serving::WatchReading looks = reading->looks.value_or(serving::WatchReading());
    section.rows.push_back({reading->folder, reading->role, looks.looks, looks.failed,
                            looks.last_success ? TimeText(*looks.last_success) : std::string(), looks.error,
                            looks.skipped});
  }
  return section;
}

StatusSection Calls(const std::vector<serving::InFlight>& calls) {
  StatusSection section{"calls_in_flight", {"method", "calls"}, {}, false};
  for (const serving::InFlight& call : calls) {
    section.rows.push_back({call.method, call.calls});
  }
  return section;
}

StatusSection Gpus(const std::vector<serving::GpuGauges>& gpus) {
  StatusSection section{"gpus", {"id", "utilization", "memory_used_bytes", "memory_total_bytes"}, {}, false};
  for (const serving::GpuGauges& gpu : gpus) {
    section.rows.push_back({gpu.id, gpu.utilization, gpu.memory_used_bytes, gpu.memory_total_bytes});
  }
  return section;
}

StatusSection LastErrors(const std::vector<rpc::CallLog::Failure>& failures) {
  StatusSection section{
      "last_errors", {"time", "request_id", "method", "code", "network", "message"}, {}, false};
  for (const rpc::CallLog::Failure& failure : failures) {
    section.rows.push_back({TimeText(failure.at), failure.call.request_id, failure.call.method,
                            std::string(serving::CodeName(failure.call.status.code())), failure.call.network,
                            failure.call.status.message()});
  }
  return section;
}

StatusSection Flags(const Config& config) {
  StatusSection section{"flags", {"flag", "value"}, {}, false};
  for (const auto& [flag, value] : config.flags) {
    section.rows.push_back({flag, value});
  }
  return section;
}

}  // namespace

StatusPage MakeStatus(const StatusSources& sources) {
  const serving::Gauges& gauges = sources.gauges;
  return {{"server",
           {"version", "backend", "device", "ready", "uptime_seconds"},
           {{std::string(kVersion), sources.backend.name(), sources.backend.device_name(), sources.ready,
             sources.uptime_s}},
           true},
          Networks(sources.networks, sources.aliases),
          Repository(sources.repository),
          {"queue", {"samples", "work_seconds"}, {{gauges.queued_samples, gauges.queued_work_s}}, true},
          Calls(sources.calls),
          {"memory",
           {"used_bytes", "limit_bytes", "networks_bytes"},
           {{gauges.memory_used_bytes, gauges.memory_limit_bytes, gauges.resident_bytes}},
           true},
          ResponseCache(gauges.answers, sources.config.response_cache_bytes),
          {"connections", {"grpc", "http"}, {{gauges.connections.open, gauges.http_connections}}, true},
          Gpus(gauges.gpus),
          LastErrors(sources.failures),
          {"telemetry",
           {"log_lines_lost", "trace_spans_sent", "trace_spans_lost"},
           {{gauges.log_lines_lost, gauges.spans_sent, gauges.spans_lost}},
           true},
          Flags(sources.config)};
}

}  // namespace spikeserve::app
