#include "server/serving/metrics/openmetrics.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace spikeserve::serving {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// The shortest text that reads as the same number, with a point where it is a whole one.
std::string Number(double value) {
  if (std::isnan(value)) {
    return "NaN";
  }
  if (std::isinf(value)) {
    return value > 0 ? "+Inf" : "-Inf";
  }
  char text[40];
  for (int digits = 1; digits <= 17; ++digits) {
    std::snprintf(text, sizeof text, "%.*g", digits, value);
    if (std::strtod(text, nullptr) == value) {
      break;
    }
  }
  const std::string number(text);
  return number.find_first_of(".e") == std::string::npos ? number + ".0" : number;
}

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\n') {
      escaped += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') {
      escaped += '\\';
    }
    escaped += c;
  }
  return escaped;
}

// {a="b",le="0.1"}; nothing where there is none.
std::string Labels(const ClientMetric& metric, const std::string& bound = {}) {
  std::string labels;
  for (const ClientMetric::Label& label : metric.label) {
    labels += (labels.empty() ? "" : ",") + label.name + "=\"" + Escaped(label.value) + "\"";
  }
  if (!bound.empty()) {
    labels += (labels.empty() ? "le=\"" : ",le=\"") + bound + "\"";
  }
  return labels.empty() ? labels : "{" + labels + "}";
}

void WriteHistogram(const MetricFamily& family, const ClientMetric& metric, const FindExemplar& find_exemplar,
                    std::string& text) {
  for (const ClientMetric::Bucket& bucket : metric.histogram.bucket) {
    text += family.name + "_bucket" + Labels(metric, Number(bucket.upper_bound)) + " " +
            std::to_string(bucket.cumulative_count);
    if (const auto exemplar = find_exemplar(family.name, metric, bucket.upper_bound)) {
      char time[32];
      std::snprintf(time, sizeof time, "%.3f", exemplar->unix_seconds);
      text += " # {trace_id=\"" + Escaped(exemplar->trace_id) + "\"} " + Number(exemplar->value) + " " + time;
    }
    text += "\n";
  }
  text +=
      family.name + "_count" + Labels(metric) + " " + std::to_string(metric.histogram.sample_count) + "\n";
  text += family.name + "_sum" + Labels(metric) + " " + Number(metric.histogram.sample_sum) + "\n";
}

const char* TypeName(MetricType type) {
  switch (type) {
    case MetricType::Counter: return "counter";
    case MetricType::Gauge: return "gauge";
    case MetricType::Histogram: return "histogram";
    case MetricType::Summary:
    case MetricType::Untyped: break;  // of which this server has none
  }
  return "unknown";
}

// A counter's family is named without the ending of its samples.
std::string FamilyName(const MetricFamily& family) {
  constexpr std::string_view kTotal = "_total";
  const std::string& name = family.name;
  const bool counter = family.type == MetricType::Counter && name.size() > kTotal.size() &&
                       name.compare(name.size() - kTotal.size(), kTotal.size(), kTotal) == 0;
  return counter ? name.substr(0, name.size() - kTotal.size()) : name;
}

}  // namespace

std::string SerializeOpenMetrics(const std::vector<MetricFamily>& families,
                                 const FindExemplar& find_exemplar) {
  std::string text;
  for (const MetricFamily& family : families) {
    const std::string name = FamilyName(family);
    text += "# TYPE " + name + " " + TypeName(family.type) + "\n";
    text += "# HELP " + name + " " + Escaped(family.help) + "\n";
    for (const ClientMetric& metric : family.metric) {
      switch (family.type) {
        case MetricType::Histogram: WriteHistogram(family, metric, find_exemplar, text); break;
        case MetricType::Counter:
          text += name + "_total" + Labels(metric) + " " + Number(metric.counter.value) + "\n";
          break;
        default: text += name + Labels(metric) + " " + Number(metric.gauge.value) + "\n"; break;
      }
    }
  }
  return text + "# EOF\n";
}

}  // namespace spikeserve::serving
