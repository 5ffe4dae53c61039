#include "server/serving/metrics/metrics_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <string>

namespace spikeserve::serving {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A connection to the server; -1 where there is none.
int Connect(const MetricsServer& server) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port =
      htons(static_cast<std::uint16_t>(std::stoi(server.address().substr(server.address().rfind(':') + 1))));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(descriptor);
    return -1;
  }
  return descriptor;
}

// What a server on this machine answers to one request, header and body; what came before `timeout_s`, 0
// being none.
std::string Fetch(const MetricsServer& server, const std::string& method, const std::string& path,
                  int timeout_s = 0, const std::string& accept = "*/*") {
  const int descriptor = Connect(server);
  const timeval timeout{timeout_s, 0};
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  std::string answer;
  if (descriptor >= 0) {
    const std::string request =
        method + " " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: " + accept + "\r\n\r\n";
    if (write(descriptor, request.data(), request.size()) > 0) {
      std::array<char, 4096> part;
      for (ssize_t n; (n = read(descriptor, part.data(), part.size())) > 0;) {
        answer.append(part.data(), static_cast<std::size_t>(n));
      }
    }
  }
  close(descriptor);
  return answer;
}

class MetricsServerTest : public ::testing::Test {
 protected:
  Metrics metrics_{"1", "cpu"};
  std::atomic<bool> ready_ = false;
  std::unique_ptr<MetricsServer> server_ =
      MetricsServer::Start("127.0.0.1:0", metrics_,
                           {[this] { return ready_.load(); },
                            [] {
                              return StatusPage{{"server", {"version"}, {{std::string("<1>")}}, true}};
                            }})
          .value();
};

TEST_F(MetricsServerTest, ServesMetrics) {
  metrics_.CountRequest({.method = "Simulate", .seconds = 0.1});
  const std::string answer = Fetch(*server_, "GET", "/metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("text/plain; version=0.0.4"));
  EXPECT_THAT(answer, HasSubstr("spikeserve_requests_total"));
}

TEST_F(MetricsServerTest, ReadinessFollowsTheServer) {
  EXPECT_THAT(Fetch(*server_, "GET", "/readyz"), StartsWith("HTTP/1.1 503"));
  ready_ = true;
  EXPECT_THAT(Fetch(*server_, "GET", "/readyz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Fetch(*server_, "GET", "/healthz"), StartsWith("HTTP/1.1 200"));
}

TEST_F(MetricsServerTest, AnswersBesideConnectionsThatSendNoRequest) {
  std::array<int, 300> idle;
  for (int& descriptor : idle) {
    descriptor = Connect(*server_);
    ASSERT_GE(descriptor, 0);
    if (descriptor % 2 == 0) {
      static_cast<void>(send(descriptor, "GET /he", 7, MSG_NOSIGNAL));
    }
  }
  for (int i = 0; i < 100; ++i) {  // more than there is room for
    EXPECT_THAT(Fetch(*server_, "GET", "/healthz", 3), StartsWith("HTTP/1.1 200"));
  }
  for (const int descriptor : idle) {
    close(descriptor);
  }
}

TEST_F(MetricsServerTest, AHeadIsAnsweredWithoutTheText) {
  const std::string answer = Fetch(*server_, "HEAD", "/healthz");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 3"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(MetricsServerTest, ServesOpenMetricsToWhoNamesIt) {
  const std::string answer =
      Fetch(*server_, "GET", "/metrics", 0, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
  EXPECT_THAT(answer, HasSubstr("Content-Type: application/openmetrics-text; version=1.0.0"));
  EXPECT_THAT(answer, EndsWith("# EOF\n"));
}

TEST_F(MetricsServerTest, ShowsTheStatusInTheFormThatIsAskedFor) {
  EXPECT_THAT(Fetch(*server_, "GET", "/statusz"), HasSubstr("version <1>\n"));
  EXPECT_THAT(Fetch(*server_, "GET", "/statusz", 0, "text/html"), HasSubstr("<td>&lt;1&gt;</td>"));
  EXPECT_THAT(Fetch(*server_, "GET", "/statusz?format=html"), HasSubstr("text/html"));
  EXPECT_THAT(Fetch(*server_, "GET", "/statusz?format=json", 0, "text/html"),
              HasSubstr("\"version\": \"<1>\""));
  EXPECT_THAT(Fetch(*server_, "GET", "/statusz?format=xml"), StartsWith("HTTP/1.1 400"));
}

TEST_F(MetricsServerTest, TakesNoOtherMethod) {
  EXPECT_THAT(Fetch(*server_, "POST", "/metrics"), StartsWith("HTTP/1.1 405"));
}

TEST_F(MetricsServerTest, HasNoOtherPages) {
  for (const char* path : {"/", "/metricsx", "/metrics/..", "/../etc/passwd", "/healthz/x"}) {
    EXPECT_THAT(Fetch(*server_, "GET", path), StartsWith("HTTP/1.1 4")) << path;
  }
}

TEST_F(MetricsServerTest, AnAddressInUseIsAStatus) {
  const std::string address = server_->address();
  const auto second =
      MetricsServer::Start(address, metrics_, {[] { return true; }, [] { return StatusPage(); }});
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().message(), HasSubstr(address + " (--metrics-listen)"));
}

}  // namespace
}  // namespace spikeserve::serving
