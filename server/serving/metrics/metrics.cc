#include "server/serving/metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <chrono>
#include <cstddef>

#include "server/serving/metrics/exemplars.h"
#include "server/serving/metrics/label_metrics.h"
#include "server/serving/metrics/method_metrics.h"
#include "server/serving/metrics/openmetrics.h"

namespace spikeserve::serving {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

constexpr const char* kLatency = "spikeserve_request_seconds";
// 0.5 ms to 30 s, about three per decade.
// Of a small network from a warm disk to a large one onto a GPU.
const Histogram::BucketBoundaries kColdSeconds{0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100};
const Histogram::BucketBoundaries kSeconds{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                                           0.2,    0.5,   1,     2,     5,    10,   30};
const Histogram::BucketBoundaries kBatchSizes{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096};
constexpr std::size_t kMaxTenants = 100;

Family<Counter>& AddCounters(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

Counter& AddCounter(prometheus::Registry& registry, const char* name, const char* help) {
  return AddCounters(registry, name, help).Add({});
}

Family<Gauge>& AddGauges(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

Gauge& AddGauge(prometheus::Registry& registry, const char* name, const char* help,
                const prometheus::Labels& labels = {}) {
  return AddGauges(registry, name, help).Add(labels);
}

Histogram& AddHistogram(prometheus::Registry& registry, const char* name, const char* help,
                        const Histogram::BucketBoundaries& buckets) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, buckets);
}

// A counter that somebody else counts.
void RaiseTo(Counter& counter, std::int64_t value) {
  counter.Increment(static_cast<double>(value) - counter.Value());
}

// Brings counters up to totals that are counted elsewhere.
void SetTotals(Family<Counter>& counters, const char* label, const ConnectionCounts::ByReason& totals) {
  for (const auto& [reason, total] : totals) {
    RaiseTo(counters.Add({{label, reason}}), total);
  }
}

// Of a clock that nobody sets: the time of day may be put back while the server runs.
double MonotonicSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Of networks that come into memory when they are asked for.
struct OnDemandFamilies {
  explicit OnDemandFamilies(prometheus::Registry& registry)
      : stored(AddGauge(registry, "spikeserve_networks_stored",
                        "Network versions that come into memory when they are asked for.")),
        starts(AddHistogram(registry, "spikeserve_cold_start_seconds",
                            "Time from the first request for a stored network until it is in memory.",
                            kColdSeconds)),
        failed(AddCounter(registry, "spikeserve_cold_start_failures_total",
                          "Stored networks that could not be loaded when asked for.")),
        evictions(AddCounter(registry, "spikeserve_network_evictions_total",
                             "Networks that were let go of to make room.")) {}

  Gauge& stored;
  Histogram& starts;
  Counter& failed;
  Counter& evictions;
};

// Of the response cache.
struct CacheFamilies {
  explicit CacheFamilies(prometheus::Registry& registry)
      : requests(AddCounters(registry, "spikeserve_response_cache_requests_total",
                             "Requests that an equal one's answer would do for, by what was found.")),
        evictions(AddCounters(registry, "spikeserve_response_cache_evictions_total",
                              "Kept answers that made room for others.")),
        answers(AddGauges(registry, "spikeserve_response_cache_answers", "Answers that are kept.")),
        bytes(AddGauges(registry, "spikeserve_response_cache_bytes", "Memory of the kept answers.")) {}

  Family<Counter>& requests;
  Family<Counter>& evictions;
  Family<Gauge>& answers;
  Family<Gauge>& bytes;
};

}  // namespace

const char* CodeName(StatusCode code) {
  constexpr std::array kNames = {
      "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS", "UNAUTHENTICATED"};
  return kNames.at(static_cast<std::size_t>(code));
}

struct Metrics::Families {
  Families(prometheus::Registry& registry, std::size_t max_networks)
      : requests(
            AddCounters(registry, "spikeserve_requests_total", "Finished calls by method and status code.")),
        rejections(AddCounters(registry, "spikeserve_rejections_total",
                               "Calls that were refused, by what they ran into.")),
        latency(prometheus::BuildHistogram()
                    .Name(kLatency)
                    .Help("Time from receiving a call to answering it, by method.")
                    .Register(registry)),
        by_network(registry, "network", max_networks),
        by_tenant(registry, "tenant", kMaxTenants),
        queue(AddHistogram(registry, "spikeserve_queue_seconds",
                           "Longest wait in the queue among the requests of a run.", kSeconds)),
        compute(
            AddHistogram(registry, "spikeserve_compute_seconds", "Time of a run in the engine.", kSeconds)),
        batch(AddHistogram(registry, "spikeserve_batch_samples", "Samples of a run.", kBatchSizes)),
        releases(AddCounters(registry, "spikeserve_batch_releases_total",
                             "Runs that were begun, by why they were at that moment.")),
        samples(AddCounter(registry, "spikeserve_samples_total", "Samples simulated.")),
        steps(AddCounter(registry, "spikeserve_sample_steps_total",
                         "Time steps simulated, summed over samples.")),
        spikes(AddCounter(registry, "spikeserve_spikes_total", "Spikes of the samples that were answered.")),
        queued(AddGauge(registry, "spikeserve_queue_samples", "Samples waiting for a worker.")),
        queued_work(AddGauge(registry, "spikeserve_queue_work_seconds",
                             "Time that the samples without a result are expected to take one worker.")),
        networks(AddGauge(registry, "spikeserve_networks", "Network versions that are ready.")),
        on_demand(registry),
        resident(AddGauge(registry, "spikeserve_resident_bytes", "Memory of the networks that are ready.")),
        memory_used(AddGauge(registry, "spikeserve_memory_used_bytes",
                             "Bytes reserved for networks, uploads, inputs and runs.")),
        memory_limit(AddGauge(registry, "spikeserve_memory_limit_bytes", "The memory budget.")),
        in_flight(
            AddGauges(registry, "spikeserve_requests_in_flight", "Calls that are not over, by method.")),
        http_connections(AddGauge(registry, "spikeserve_http_connections",
                                  "Connections of the Open Inference Protocol over HTTP.")),
        gpu_utilization(AddGauges(registry, "spikeserve_gpu_utilization_ratio",
                                  "Share of the last moment in which the GPU ran anything.")),
        gpu_memory_used(AddGauges(registry, "spikeserve_gpu_memory_used_bytes",
                                  "Memory of the GPU that is in use, by any program.")),
        gpu_memory_total(AddGauges(registry, "spikeserve_gpu_memory_total_bytes", "Memory of the GPU.")),
        lines_lost(AddCounter(registry, "spikeserve_log_lines_lost_total",
                              "Lines of the log that stderr did not take in time.")),
        spans_sent(AddCounter(registry, "spikeserve_trace_spans_sent_total", "Spans that a collector took.")),
        spans_lost(AddCounter(registry, "spikeserve_trace_spans_lost_total",
                              "Spans that no collector took in time.")),
        connections(AddGauge(registry, "spikeserve_connections", "gRPC connections that are open.")),
        refused(AddCounters(registry, "spikeserve_connections_refused_total",
                            "gRPC connections that were closed as soon as they were taken, by reason.")),
        pauses(AddCounters(registry, "spikeserve_guard_pauses_total",
                           "Times that a gRPC connection was not read for a while, by rule.")),
        closes(AddCounters(registry, "spikeserve_guard_closes_total",
                           "gRPC connections that were closed because they broke a rule, by rule.")),
        cache(registry),
        uptime(AddGauge(registry, "spikeserve_uptime_seconds", "Time since the start.")) {}

  Family<Counter>& requests;
  Family<Counter>& rejections;
  Family<Histogram>& latency;
  MethodMetrics by_method{requests, latency, kSeconds};
  LabelMetrics by_network;
  LabelMetrics by_tenant;
  Exemplars exemplars{kSeconds};
  Histogram& queue;
  Histogram& compute;
  Histogram& batch;
  Family<Counter>& releases;
  Counter& samples;
  Counter& steps;
  Counter& spikes;
  Gauge& queued;
  Gauge& queued_work;
  Gauge& networks;
  OnDemandFamilies on_demand;
  Gauge& resident;
  Gauge& memory_used;
  Gauge& memory_limit;
  Family<Gauge>& in_flight;
  Gauge& http_connections;
  Family<Gauge>& gpu_utilization;
  Family<Gauge>& gpu_memory_used;
  Family<Gauge>& gpu_memory_total;
  Counter& lines_lost;
  Counter& spans_sent;
  Counter& spans_lost;
  Gauge& connections;
  Family<Counter>& refused;
  Family<Counter>& pauses;
  Family<Counter>& closes;
  CacheFamilies cache;
  Gauge& uptime;
  const double started = MonotonicSeconds();
};

Metrics::Metrics(const std::string& version, const std::string& backend, std::int64_t max_networks)
    : registry_(std::make_shared<prometheus::Registry>()),
      families_(std::make_unique<Families>(*registry_, static_cast<std::size_t>(max_networks))) {
  AddGauge(*registry_, "spikeserve_build_info", "Always 1; the labels say what is running.",
           {{"version", version}, {"backend", backend}})
      .Set(1);
}

Metrics::~Metrics() = default;

void Metrics::BeginRequest(const std::string& method) { families_->by_method.Begin(method); }

std::vector<InFlight> Metrics::in_flight() const {
  std::vector<InFlight> calls;
  for (const auto& [method, count] : families_->by_method.in_flight()) {
    calls.push_back({method, count});
  }
  return calls;
}

void Metrics::CountRequest(const RequestFacts& facts) {
  families_->by_method.End(facts);
  if (*facts.rejection != '\0') {
    families_->rejections.Add({{"reason", facts.rejection}}).Increment();
  }
  if (!facts.network.empty()) {
    families_->by_network.Count(facts.network, facts);
  }
  if (!facts.tenant.empty()) {
    families_->by_tenant.Count(facts.tenant, facts);
  }
  if (!facts.trace_id.empty()) {
    families_->exemplars.Set(facts.method, facts.seconds, facts.trace_id);
  }
}

void Metrics::CountRun(const RunRecord& record) {
  families_->queue.Observe(record.queue_s);
  families_->compute.Observe(record.compute_s);
  families_->batch.Observe(static_cast<double>(record.samples));
  if (*record.released != '\0') {
    families_->releases.Add({{"reason", record.released}}).Increment();
  }
  families_->samples.Increment(static_cast<double>(record.samples));
  families_->steps.Increment(static_cast<double>(record.samples * record.steps));
  families_->spikes.Increment(static_cast<double>(record.spikes));
}

void Metrics::CountColdStart(double seconds) { families_->on_demand.starts.Observe(seconds); }

void Metrics::CountFailedColdStart() { families_->on_demand.failed.Increment(); }

void Metrics::CountEviction() { families_->on_demand.evictions.Increment(); }

void Metrics::SetGaugeSource(std::function<Gauges()> source) { gauge_source_ = std::move(source); }

void Metrics::ReadGauges() {
  const Gauges gauges = gauge_source_();
  families_->queued.Set(static_cast<double>(gauges.queued_samples));
  families_->queued_work.Set(gauges.queued_work_s);
  families_->networks.Set(static_cast<double>(gauges.networks_ready));
  families_->on_demand.stored.Set(static_cast<double>(gauges.networks_stored));
  families_->resident.Set(static_cast<double>(gauges.resident_bytes));
  families_->memory_used.Set(static_cast<double>(gauges.memory_used_bytes));
  families_->memory_limit.Set(static_cast<double>(gauges.memory_limit_bytes));
  families_->http_connections.Set(static_cast<double>(gauges.http_connections));
  RaiseTo(families_->lines_lost, gauges.log_lines_lost);
  RaiseTo(families_->spans_sent, gauges.spans_sent);
  RaiseTo(families_->spans_lost, gauges.spans_lost);
  families_->connections.Set(static_cast<double>(gauges.connections.open));
  SetTotals(families_->refused, "reason", gauges.connections.refused);
  SetTotals(families_->pauses, "rule", gauges.connections.pauses);
  SetTotals(families_->closes, "rule", gauges.connections.closes);
  for (const GpuGauges& gpu : gauges.gpus) {
    const prometheus::Labels labels{{"gpu", gpu.id}};
    if (gpu.utilization >= 0) {
      families_->gpu_utilization.Add(labels).Set(gpu.utilization);
    }
    families_->gpu_memory_used.Add(labels).Set(static_cast<double>(gpu.memory_used_bytes));
    families_->gpu_memory_total.Add(labels).Set(static_cast<double>(gpu.memory_total_bytes));
  }
  if (gauges.answers) {
    ShowAnswers(*gauges.answers);
  }
  families_->by_network.Prune(
      [&](const std::string& network) { return gauges.network_names.count(network) > 0; });
  if (gauges.tenant_names) {
    families_->by_tenant.Drop(
        [&](const std::string& tenant) { return gauges.tenant_names->count(tenant) == 0; });
  }
}

void Metrics::ShowAnswers(const AnswerCounts& answers) {
  SetTotals(families_->cache.requests, "result",
            {{"hit", answers.hits}, {"miss", answers.misses}, {"coalesced", answers.coalesced}});
  RaiseTo(families_->cache.evictions.Add({}), answers.evicted);
  families_->cache.answers.Add({}).Set(static_cast<double>(answers.kept));
  families_->cache.bytes.Add({}).Set(static_cast<double>(answers.bytes));
}

std::string Metrics::Expose(MetricsFormat format) {
  const MutexLock lock(expose_mu_);
  if (gauge_source_) {
    ReadGauges();
  }
  for (const InFlight& call : in_flight()) {
    families_->in_flight.Add({{"method", call.method}}).Set(static_cast<double>(call.calls));
  }
  families_->uptime.Set(MonotonicSeconds() - families_->started);
  if (format == MetricsFormat::kPrometheus) {
    return prometheus::TextSerializer().Serialize(registry_->Collect());
  }
  return SerializeOpenMetrics(
      registry_->Collect(),
      [this](const std::string& family, const prometheus::ClientMetric& metric, double upper_bound) {
        return family == kLatency && metric.label.size() == 1
                   ? families_->exemplars.Get(metric.label.front().value, upper_bound)
                   : std::nullopt;
      });
}

}  // namespace spikeserve::serving
