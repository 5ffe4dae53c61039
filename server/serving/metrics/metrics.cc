#include "server/serving/metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <chrono>
#include <cstddef>

#include "server/base/mutex.h"

namespace spikeserve::serving {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

// 0.5 ms to 30 s, about three per decade.
const Histogram::BucketBoundaries kSeconds{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                                           0.2,    0.5,   1,     2,     5,    10,   30};
const Histogram::BucketBoundaries kBatchSizes{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096};

Counter& AddCounter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

Gauge& AddGauge(prometheus::Registry& registry, const char* name, const char* help,
                const prometheus::Labels& labels = {}) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(labels);
}

Histogram& AddHistogram(prometheus::Registry& registry, const char* name, const char* help,
                        const Histogram::BucketBoundaries& buckets) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, buckets);
}

Family<Counter>& AddCounters(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

// Brings counters up to totals that are counted elsewhere.
void SetTotals(Family<Counter>& counters, const char* label, const ConnectionCounts::ByReason& totals) {
  for (const auto& [reason, total] : totals) {
    Counter& counter = counters.Add({{label, reason}});
    counter.Increment(static_cast<double>(total) - counter.Value());
  }
}

double UnixSeconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

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
  explicit Families(prometheus::Registry& registry)
      : requests(prometheus::BuildCounter()
                     .Name("spikeserve_requests_total")
                     .Help("Finished calls by method and status code.")
                     .Register(registry)),
        latency(prometheus::BuildHistogram()
                    .Name("spikeserve_request_seconds")
                    .Help("Time from receiving a call to answering it, by method.")
                    .Register(registry)),
        queue(AddHistogram(registry, "spikeserve_queue_seconds",
                           "Longest wait in the queue among the requests of a run.", kSeconds)),
        compute(
            AddHistogram(registry, "spikeserve_compute_seconds", "Time of a run in the engine.", kSeconds)),
        batch(AddHistogram(registry, "spikeserve_batch_samples", "Samples of a run.", kBatchSizes)),
        samples(AddCounter(registry, "spikeserve_samples_total", "Samples simulated.")),
        steps(AddCounter(registry, "spikeserve_sample_steps_total",
                         "Time steps simulated, summed over samples.")),
        spikes(AddCounter(registry, "spikeserve_spikes_total", "Spikes of the samples that were answered.")),
        queued(AddGauge(registry, "spikeserve_queue_samples", "Samples waiting for a worker.")),
        networks(AddGauge(registry, "spikeserve_networks", "Network versions that are ready.")),
        resident(AddGauge(registry, "spikeserve_resident_bytes", "Memory of the networks that are ready.")),
        memory_used(AddGauge(registry, "spikeserve_memory_used_bytes",
                             "Bytes reserved for networks, uploads, inputs and runs.")),
        memory_limit(AddGauge(registry, "spikeserve_memory_limit_bytes", "The memory budget.")),
        connections(AddGauge(registry, "spikeserve_connections", "gRPC connections that are open.")),
        refused(AddCounters(registry, "spikeserve_connections_refused_total",
                            "gRPC connections that were closed as soon as they were taken, by reason.")),
        pauses(AddCounters(registry, "spikeserve_guard_pauses_total",
                           "Times that a gRPC connection was not read for a while, by rule.")),
        closes(AddCounters(registry, "spikeserve_guard_closes_total",
                           "gRPC connections that were closed because they broke a rule, by rule.")),
        uptime(AddGauge(registry, "spikeserve_uptime_seconds", "Time since the start.")) {}

  Family<Counter>& requests;
  Family<Histogram>& latency;
  Histogram& queue;
  Histogram& compute;
  Histogram& batch;
  Counter& samples;
  Counter& steps;
  Counter& spikes;
  Gauge& queued;
  Gauge& networks;
  Gauge& resident;
  Gauge& memory_used;
  Gauge& memory_limit;
  Gauge& connections;
  Mutex totals;  // held to bring counters up to what others counted
  Family<Counter>& refused;
  Family<Counter>& pauses;
  Family<Counter>& closes;
  Gauge& uptime;
  const double started = UnixSeconds();
};

Metrics::Metrics(const std::string& version, const std::string& backend)
    : registry_(std::make_shared<prometheus::Registry>()), families_(std::make_unique<Families>(*registry_)) {
  AddGauge(*registry_, "spikeserve_build_info", "Always 1; the labels say what is running.",
           {{"version", version}, {"backend", backend}})
      .Set(1);
}

Metrics::~Metrics() = default;

void Metrics::CountRequest(const std::string& method, StatusCode code, double seconds) {
  families_->requests.Add({{"method", method}, {"code", CodeName(code)}}).Increment();
  families_->latency.Add({{"method", method}}, kSeconds).Observe(seconds);
}

void Metrics::CountRun(const RunRecord& record) {
  families_->queue.Observe(record.queue_s);
  families_->compute.Observe(record.compute_s);
  families_->batch.Observe(static_cast<double>(record.samples));
  families_->samples.Increment(static_cast<double>(record.samples));
  families_->steps.Increment(static_cast<double>(record.samples * record.steps));
  families_->spikes.Increment(static_cast<double>(record.spikes));
}

void Metrics::SetGaugeSource(std::function<Gauges()> source) { gauge_source_ = std::move(source); }

std::string Metrics::Expose() {
  if (gauge_source_) {
    const MutexLock lock(families_->totals);
    const Gauges gauges = gauge_source_();
    families_->queued.Set(static_cast<double>(gauges.queued_samples));
    families_->networks.Set(static_cast<double>(gauges.networks_ready));
    families_->resident.Set(static_cast<double>(gauges.resident_bytes));
    families_->memory_used.Set(static_cast<double>(gauges.memory_used_bytes));
    families_->memory_limit.Set(static_cast<double>(gauges.memory_limit_bytes));
    families_->connections.Set(static_cast<double>(gauges.connections.open));
    SetTotals(families_->refused, "reason", gauges.connections.refused);
    SetTotals(families_->pauses, "rule", gauges.connections.pauses);
    SetTotals(families_->closes, "rule", gauges.connections.closes);
  }
  families_->uptime.Set(UnixSeconds() - families_->started);
  return prometheus::TextSerializer().Serialize(registry_->Collect());
}

}  // namespace spikeserve::serving
