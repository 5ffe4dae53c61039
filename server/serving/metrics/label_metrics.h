#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <cstddef>
#include <functional>
#include <map>
#include <string>

#include "server/base/mutex.h"
#include "server/serving/metrics/request_facts.h"

namespace spikeserve::serving {

// Requests, samples and times by the value of one label, such as the network. The number of values is
// bounded: further ones are counted together, as "other". Thread-safe.
class LabelMetrics {
 public:
  // The metrics are spikeserve_LABEL_requests_total and so on.
  LabelMetrics(prometheus::Registry& registry, const std::string& label, std::size_t max_values);

  void Count(const std::string& value, const RequestFacts& facts);
  // Where all places are taken: those of values that `is_used` does not know are free again, with what was
  // counted of them.
  void Prune(const std::function<bool(const std::string&)>& is_used);
  // Forgets what was counted of values that are gone.
  void Drop(const std::function<bool(const std::string&)>& is_gone);

 private:
  // Of one value.
  struct Series {
    std::map<StatusCode, prometheus::Counter*> requests;
    prometheus::Histogram* latency = nullptr;
    prometheus::Counter* samples = nullptr;
    prometheus::Counter* queue_s = nullptr;
    prometheus::Counter* compute_s = nullptr;
  };

  // Makes the series of a value that has none yet.
  void Begin(const std::string& value, Series& series) SPIKESERVE_REQUIRES(mu_);
  void Remove(const Series& series) SPIKESERVE_REQUIRES(mu_);
  void DropGone(const std::function<bool(const std::string&)>& is_gone) SPIKESERVE_REQUIRES(mu_);

  const std::string label_;
  const std::size_t max_values_;
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Histogram>& latency_;
  prometheus::Family<prometheus::Counter>& samples_;
  prometheus::Family<prometheus::Counter>& queue_s_;
  prometheus::Family<prometheus::Counter>& compute_s_;
  Mutex mu_;
  std::map<std::string, Series> series_ SPIKESERVE_GUARDED_BY(mu_);
  Series other_ SPIKESERVE_GUARDED_BY(mu_);
};

}  // namespace spikeserve::serving
