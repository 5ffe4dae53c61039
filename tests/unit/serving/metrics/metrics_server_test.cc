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

using ::testing::HasSubstr;
using ::testing::StartsWith;

// What a server on this machine answers to one request, header and body; what came before `timeout_s`, 0
// being none.
std::string Fetch(int port, const std::string& method, const std::string& path, int timeout_s = 0) {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  const timeval timeout{timeout_s, 0};
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    const std::string request = method + " " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
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
      MetricsServer::Start("127.0.0.1:0", metrics_, [this] { return ready_.load(); }).value();
};

TEST_F(MetricsServerTest, ServesMetrics) {
  metrics_.CountRequest("Simulate", StatusCode::kOk, 0.1);
  const std::string answer = Fetch(server_->port(), "GET", "/metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("text/plain; version=0.0.4"));
  EXPECT_THAT(answer, HasSubstr("spikeserve_requests_total"));
}

TEST_F(MetricsServerTest, ReadinessFollowsTheServer) {
  EXPECT_THAT(Fetch(server_->port(), "GET", "/readyz"), StartsWith("HTTP/1.1 503"));
  ready_ = true;
  EXPECT_THAT(Fetch(server_->port(), "GET", "/readyz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Fetch(server_->port(), "GET", "/healthz"), StartsWith("HTTP/1.1 200"));
}

TEST_F(MetricsServerTest, AnswersBesideConnectionsThatSendNoRequest) {
  std::array<int, 8> idle;
  for (int& descriptor : idle) {
    descriptor = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(server_->port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_GT(write(descriptor, "GET /he", 7), 0);
  }
  EXPECT_THAT(Fetch(server_->port(), "GET", "/healthz", 3), StartsWith("HTTP/1.1 200"));
  for (const int descriptor : idle) {
    close(descriptor);
  }
}

TEST_F(MetricsServerTest, HasNoOtherPages) {
  for (const char* path : {"/", "/metricsx", "/metrics/..", "/../etc/passwd", "/healthz/x"}) {
    EXPECT_THAT(Fetch(server_->port(), "GET", path), StartsWith("HTTP/1.1 4")) << path;
  }
}

TEST_F(MetricsServerTest, AnAddressInUseIsAStatus) {
  const std::string address = "127.0.0.1:" + std::to_string(server_->port());
  const auto second = MetricsServer::Start(address, metrics_, [] { return true; });
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().message(), HasSubstr(address + " (--metrics-listen)"));
}

}  // namespace
}  // namespace spikeserve::serving
