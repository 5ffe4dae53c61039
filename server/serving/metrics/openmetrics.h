#pragma once

#include <prometheus/metric_family.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace spikeserve::serving {

// One observation of a histogram, and the trace it came from.
struct Exemplar {
  std::string trace_id;
  double value = 0;
  double unix_seconds = 0;
};

// The exemplar of a bucket of a histogram, if there is one.
using FindExemplar = std::function<std::optional<Exemplar>(
    const std::string& family, const prometheus::ClientMetric& metric, double upper_bound)>;

// The OpenMetrics text format, version 1.0.0, with exemplars on the buckets of histograms.
std::string SerializeOpenMetrics(const std::vector<prometheus::MetricFamily>& families,
                                 const FindExemplar& find_exemplar);

}  // namespace spikeserve::serving
