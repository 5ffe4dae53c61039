#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/base/mutex.h"
#include "server/serving/metrics/request_facts.h"

namespace spikeserve::serving {

// Calls by method. Looks each series up once: prometheus-cpp makes a map of labels and its hash each time.
// Thread-safe.
class MethodMetrics {
 public:
  // The families outlive this.
  MethodMetrics(prometheus::Family<prometheus::Counter>& requests,
                prometheus::Family<prometheus::Histogram>& latency,
                prometheus::Histogram::BucketBoundaries buckets)
      : requests_(requests), latency_(latency), buckets_(std::move(buckets)) {}

  // A call begins; End follows.
  void Begin(const std::string& method);
  void End(const RequestFacts& facts);
  // Calls that are not over, of the methods that were called yet.
  std::vector<std::pair<std::string, std::int64_t>> in_flight() const;

 private:
  static constexpr std::size_t kCodes = 17;

  struct Series {
    std::int64_t in_flight = 0;
    prometheus::Histogram* latency = nullptr;             // null until a call is over
    std::array<prometheus::Counter*, kCodes> requests{};  // by code; null until there was one
  };

  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Histogram>& latency_;
  const prometheus::Histogram::BucketBoundaries buckets_;
  mutable Mutex mu_;
  std::map<std::string, Series> series_ SPIKESERVE_GUARDED_BY(mu_);
};

}  // namespace spikeserve::serving
