#include "server/serving/metrics/openmetrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace spikeserve::serving {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using ::testing::HasSubstr;

std::optional<Exemplar> None(const std::string& /*family*/, const ClientMetric& /*metric*/,
                             double /*bound*/) {
  return std::nullopt;
}

MetricFamily Family(const char* name, MetricType type) {
  MetricFamily family;
  family.name = name;
  family.help = "A \"help\"\nof two lines.";
  family.type = type;
  family.metric.emplace_back();
  return family;
}

TEST(OpenMetrics, CountersAreNamedWithoutTheirEnding) {
  MetricFamily family = Family("calls_total", MetricType::Counter);
  family.metric.front().counter.value = 3;
  family.metric.front().label = {{"name", "a\"b\\c\nd"}};
  EXPECT_EQ(SerializeOpenMetrics({family}, None),
            "# TYPE calls counter\n"
            "# HELP calls A \\\"help\\\"\\nof two lines.\n"
            "calls_total{name=\"a\\\"b\\\\c\\nd\"} 3.0\n"
            "# EOF\n");
}

TEST(OpenMetrics, NumbersAreShortAndExact) {
  const auto shown = [](double value) {
    MetricFamily family = Family("g", MetricType::Gauge);
    family.metric.front().gauge.value = value;
    const std::string text = SerializeOpenMetrics({family}, None);
    const std::size_t at = text.find("\ng ") + 3;
    return text.substr(at, text.find('\n', at) - at);
  };
  EXPECT_EQ(shown(0.0005), "0.0005");
  EXPECT_EQ(shown(0.1), "0.1");
  EXPECT_EQ(shown(4096), "4096.0");
  EXPECT_EQ(shown(1e20), "1e+20");
  EXPECT_EQ(shown(1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(shown(std::numeric_limits<double>::infinity()), "+Inf");
  EXPECT_EQ(shown(std::numeric_limits<double>::quiet_NaN()), "NaN");
}

TEST(OpenMetrics, HistogramsHaveExemplars) {
  MetricFamily family = Family("h", MetricType::Histogram);
  auto& histogram = family.metric.front().histogram;
  histogram.sample_count = 3;
  histogram.sample_sum = 2.5;
  histogram.bucket = {{1, 0.5}, {3, std::numeric_limits<double>::infinity()}};
  const std::string text = SerializeOpenMetrics(
      {family}, [](const std::string& name, const ClientMetric& /*metric*/, double bound) {
        return name == "h" && bound == 0.5 ? std::optional<Exemplar>({"abc", 0.25, 12.5}) : std::nullopt;
      });
  EXPECT_THAT(text, HasSubstr("h_bucket{le=\"0.5\"} 1 # {trace_id=\"abc\"} 0.25 12.500\n"
                              "h_bucket{le=\"+Inf\"} 3\n"
                              "h_count 3\n"
                              "h_sum 2.5\n"));
}

}  // namespace
}  // namespace spikeserve::serving
