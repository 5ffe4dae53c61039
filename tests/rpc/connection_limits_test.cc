#include "server/app/connection_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "server/app/flags.h"

namespace spikeserve::app {
namespace {

using ::testing::HasSubstr;

Config Parse(std::vector<const char*> flags) {
  flags.insert(flags.begin(), "spikeserve-server");
  const Invocation invocation = ParseFlags(static_cast<int>(flags.size()), flags.data());
  EXPECT_FALSE(invocation.exit_code) << invocation.text;
  return invocation.config;
}

TEST(ConnectionLimits, FollowTheLimitOfOpenFiles) {
  const Config config = Parse({});
  EXPECT_EQ(ConnectionLimits(config, 1'048'576).max_connections, 8'192);
  EXPECT_EQ(ConnectionLimits(config, 1'048'576).max_per_address, 128);
  EXPECT_EQ(ConnectionLimits(config, 4'096).max_connections, (4'096 - 128 - 1'024) / 3);
  EXPECT_EQ(ConnectionLimits(config, 1'024).max_connections, (1'024 - 128 - 256) / 3);
  EXPECT_EQ(ConnectionLimits(config, 64).max_connections, 16);
  EXPECT_EQ(ConnectionLimits(config, 64).max_per_address, 16);
}

TEST(ConnectionLimits, AreThoseOfTheFlagsWhereTheySayAny) {
  const Config config = Parse({"--grpc-connections=50", "--grpc-connections-per-address=7"});
  EXPECT_EQ(ConnectionLimits(config, 1'024).max_connections, 50);
  EXPECT_EQ(ConnectionLimits(config, 1'024).max_per_address, 7);
  EXPECT_EQ(ConnectionLimits(Parse({"--grpc-connections=5"}), 1'024).max_per_address, 5);
}

TEST(ConnectionLimits, TheGuardIsOnWhereOthersCanConnect) {
  EXPECT_TRUE(IsGuarded(Parse({})));
  EXPECT_TRUE(IsGuarded(Parse({"--listen=[::]:1"})));
  EXPECT_FALSE(IsGuarded(Parse({"--listen=127.0.0.1:1"})));
  EXPECT_FALSE(IsGuarded(Parse({"--listen=unix:/s"})));
  EXPECT_TRUE(IsGuarded(Parse({"--listen=unix:/s", "--guard=on"})));
  EXPECT_FALSE(IsGuarded(Parse({"--guard=off"})));
}

TEST(ConnectionLimits, WrongFlagsAreRefused) {
  for (const char* flag : {"--guard=perhaps", "--listen=unix:", "--listen=host", "--grpc-connections=-1",
                           "--max-connection-age-seconds=9000000"}) {
    const std::vector<const char*> flags = {"spikeserve-server", flag};
    const Invocation invocation = ParseFlags(2, flags.data());
    EXPECT_EQ(invocation.exit_code, 2) << flag;
    EXPECT_THAT(invocation.text, HasSubstr(std::string(flag).substr(0, std::string(flag).find('=')))) << flag;
  }
}

}  // namespace
}  // namespace spikeserve::app
