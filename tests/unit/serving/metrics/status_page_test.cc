#include "server/serving/metrics/status_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace spikeserve::serving {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

StatusPage Page() {
  return {{"server", {"version", "is_ready", "uptime_seconds"}, {{std::string("1.2"), true, 2.5}}, true},
          {"last_errors",
           {"code", "message"},
           {{std::string("A"), std::string("<script>\xff")}, {std::string("LONG"), std::int64_t{7}}},
           false},
          {"gpus", {"id"}, {}, false}};
}

TEST(StatusPage, Json) {
  const std::string json = StatusJson(Page());
  EXPECT_THAT(json, HasSubstr("\"server\": {\n    \"version\": \"1.2\",\n    \"is_ready\": true,\n"));
  EXPECT_THAT(json, HasSubstr("\"uptime_seconds\": 2.5"));
  EXPECT_THAT(json, HasSubstr("\"message\": 7"));
  EXPECT_THAT(json, HasSubstr("\"gpus\": []"));
}

TEST(StatusPage, HtmlQuotesWhatClientsSent) {
  const std::string html = StatusHtml(Page());
  EXPECT_THAT(html, HasSubstr("<td>&lt;script&gt;"));
  EXPECT_THAT(html, Not(HasSubstr("<script>")));
  EXPECT_THAT(html, HasSubstr("<h2>last errors</h2>"));
  EXPECT_THAT(html, HasSubstr("<tr><td>uptime seconds</td><td>2.5</td></tr>"));
  EXPECT_THAT(html, HasSubstr("<p>none</p>"));
}

TEST(StatusPage, TextIsInColumns) {
  const std::string text = StatusText(Page());
  EXPECT_THAT(text, HasSubstr("  is ready       yes\n"));
  EXPECT_THAT(text, HasSubstr("  code message\n  A    <script>"));
  EXPECT_THAT(text, HasSubstr("  LONG 7\n"));
}

}  // namespace
}  // namespace spikeserve::serving
