#include "server/serving/metrics/method_metrics.h"

#include "server/serving/metrics/metrics.h"

namespace spikeserve::serving {

void MethodMetrics::Begin(const std::string& method) {
  const MutexLock lock(mu_);
  ++series_[method].in_flight;
}

void MethodMetrics::End(const RequestFacts& facts) {
  const MutexLock lock(mu_);
  Series& series = series_[facts.method];
  --series.in_flight;
  prometheus::Counter*& requests = series.requests.at(static_cast<std::size_t>(facts.code));
  if (requests == nullptr) {
    requests = &requests_.Add({{"method", facts.method}, {"code", CodeName(facts.code)}});
    series.latency = &latency_.Add({{"method", facts.method}}, buckets_);
  }
  requests->Increment();
  series.latency->Observe(facts.seconds);
}

std::vector<std::pair<std::string, std::int64_t>> MethodMetrics::in_flight() const {
  const MutexLock lock(mu_);
  std::vector<std::pair<std::string, std::int64_t>> calls;
  for (const auto& [method, series] : series_) {
    calls.emplace_back(method, series.in_flight);
  }
  return calls;
}

}  // namespace spikeserve::serving
