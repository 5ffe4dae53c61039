#include "server/serving/metrics/label_metrics.h"

#include <utility>

#include "server/serving/metrics/metrics.h"

namespace spikeserve::serving {
namespace {

// A name that no network may have.
constexpr const char* kOther = "(other)";
// 1 ms to 30 s, two per decade: there may be many of them.
const prometheus::Histogram::BucketBoundaries kSeconds{0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30};

prometheus::Family<prometheus::Counter>& AddFamily(prometheus::Registry& registry, const std::string& label,
                                                   const std::string& name, const std::string& help) {
  return prometheus::BuildCounter()
      .Name("spikeserve_" + label + "_" + name)
      .Help(help + ", by " + label + ".")
      .Register(registry);
}

}  // namespace

LabelMetrics::LabelMetrics(prometheus::Registry& registry, const std::string& label, std::size_t max_values)
    : label_(label),
      max_values_(max_values),
      requests_(AddFamily(registry, label, "requests_total", "Finished calls by status code")),
      latency_(prometheus::BuildHistogram()
                   .Name("spikeserve_" + label + "_request_seconds")
                   .Help("Time from receiving a call to answering it, by " + label + ".")
                   .Register(registry)),
      samples_(AddFamily(registry, label, "samples_total", "Samples of the calls that were answered")),
      queue_s_(AddFamily(registry, label, "queue_seconds_total", "Time that calls waited for a worker")),
      compute_s_(AddFamily(registry, label, "compute_seconds_total",
                           "Time of the runs that calls were part of, summed over calls")) {}

void LabelMetrics::Count(const std::string& value, const RequestFacts& facts) {
  const MutexLock lock(mu_);
  const bool known = series_.count(value) > 0 || series_.size() < max_values_;
  const std::string& shown = known ? value : kOther;
  Series& series = known ? series_[value] : other_;
  Begin(shown, series);
  prometheus::Counter*& requests = series.requests[facts.code];
  if (requests == nullptr) {
    requests = &requests_.Add({{label_, shown}, {"code", CodeName(facts.code)}});
  }
  requests->Increment();
  series.latency->Observe(facts.seconds);
  if (facts.code == StatusCode::kOk) {
    series.samples->Increment(static_cast<double>(facts.samples));
  }
  series.queue_s->Increment(facts.queue_s);
  series.compute_s->Increment(facts.compute_s);
}

void LabelMetrics::Begin(const std::string& value, Series& series) {
  if (series.latency != nullptr) {
    return;
  }
  const prometheus::Labels labels{{label_, value}};
  series.latency = &latency_.Add(labels, kSeconds);
  series.samples = &samples_.Add(labels);
  series.queue_s = &queue_s_.Add(labels);
  series.compute_s = &compute_s_.Add(labels);
}

void LabelMetrics::Prune(const std::function<bool(const std::string&)>& is_used) {
  const MutexLock lock(mu_);
  if (series_.size() >= max_values_) {
    DropGone([&](const std::string& value) { return !is_used(value); });
  }
}

void LabelMetrics::Drop(const std::function<bool(const std::string&)>& is_gone) {
  const MutexLock lock(mu_);
  DropGone(is_gone);
}

void LabelMetrics::DropGone(const std::function<bool(const std::string&)>& is_gone) {
  for (auto it = series_.begin(); it != series_.end();) {
    if (is_gone(it->first)) {
      Remove(it->second);
      it = series_.erase(it);
    } else {
      ++it;
    }
  }
}

void LabelMetrics::Remove(const Series& series) {
  for (const auto& [code, requests] : series.requests) {
    requests_.Remove(requests);
  }
  latency_.Remove(series.latency);
  samples_.Remove(series.samples);
  queue_s_.Remove(series.queue_s);
  compute_s_.Remove(series.compute_s);
}

}  // namespace spikeserve::serving
