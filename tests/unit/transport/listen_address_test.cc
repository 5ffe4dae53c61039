#include "server/transport/listen_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spikeserve::testing {
namespace {

using ::testing::HasSubstr;
using transport::ParseListenAddress;

TEST(ListenAddress, ReadsHostAndPort) {
  const auto address = ParseListenAddress("example.org:8001");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address.value().host, "example.org");
  EXPECT_EQ(address.value().port, 8001);
  EXPECT_FALSE(address.value().is_unix());
  EXPECT_EQ(ParseListenAddress("[2001:db8::1]:0").value().host, "2001:db8::1");
  EXPECT_EQ(ParseListenAddress(":65535").value().host, "");
}

TEST(ListenAddress, ReadsAUnixSocket) {
  EXPECT_EQ(ParseListenAddress("unix:/run/s").value().path, "/run/s");
  EXPECT_EQ(ParseListenAddress("unix:///run/s").value().path, "/run/s");
  EXPECT_EQ(ParseListenAddress("unix:s").value().path, "s");
}

TEST(ListenAddress, KnowsWhatOnlyThisMachineReaches) {
  for (const char* text : {"127.0.0.1:1", "127.1.2.3:1", "localhost:1", "[::1]:1", "unix:/s"}) {
    EXPECT_TRUE(ParseListenAddress(text).value().loopback()) << text;
  }
  for (const char* text : {"0.0.0.0:1", "[::]:1", ":1", "192.0.2.1:1", "localhost.example.org:1"}) {
    EXPECT_FALSE(ParseListenAddress(text).value().loopback()) << text;
  }
}

TEST(ListenAddress, RefusesWhatIsNone) {
  for (const char* text : {"", "host", "host:", "host:65536", "host:-1", "host:1x", "host: 1", "unixsocket:1",
                           "unix-abstract:x"}) {
    EXPECT_THAT(ParseListenAddress(text).status().message(), HasSubstr("wanted HOST:PORT")) << text;
  }
  EXPECT_THAT(ParseListenAddress("unix:").status().message(), HasSubstr("wanted unix:PATH"));
  EXPECT_THAT(ParseListenAddress("unix:/run/").status().message(), HasSubstr("wanted unix:PATH"));
  EXPECT_THAT(ParseListenAddress("::1:8001").status().message(), HasSubstr("in brackets"));
  EXPECT_THAT(ParseListenAddress("unix:/" + std::string(200, 'x')).status().message(),
              HasSubstr("allows 107"));
}

}  // namespace
}  // namespace spikeserve::testing
