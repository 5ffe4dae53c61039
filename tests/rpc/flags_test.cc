#include "server/app/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

namespace spikeserve::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Invocation Parse(std::vector<const char*> flags) {
  flags.insert(flags.begin(), "spikeserve-server");
  return ParseFlags(static_cast<int>(flags.size()), flags.data());
}

TEST(Flags, DefaultsServe) {
  const Invocation invocation = Parse({});
  EXPECT_FALSE(invocation.exit_code);
  EXPECT_EQ(invocation.config.listen, "0.0.0.0:8001");
  EXPECT_EQ(invocation.config.metrics_listen, "0.0.0.0:8002");
  EXPECT_EQ(invocation.config.http_listen, "0.0.0.0:8000");
  EXPECT_EQ(invocation.config.limits.max_message_bytes, 64 << 20);
}

TEST(Flags, SetWhatTheySay) {
  const Invocation invocation = Parse({"--listen",
                                       "127.0.0.1:0",
                                       "--backend",
                                       "cpu",
                                       "--threads",
                                       "3",
                                       "--max-batch=7",
                                       "--max-batch-delay-us=250",
                                       "--max-queue=9",
                                       "--max-message-mb=2",
                                       "--memory-budget-mb=5",
                                       "--response-cache-mb=2",
                                       "--log-format=json",
                                       "--drain-seconds=1",
                                       "--lame-duck-seconds=2",
                                       "--max-structure-kb=3",
                                       "--max-steps=11",
                                       "--max-neurons=12",
                                       "--max-streams=13",
                                       "--max-transport-mb=16",
                                       "--upload-idle-seconds=14",
                                       "--write-idle-seconds=15"});
  ASSERT_FALSE(invocation.exit_code) << invocation.text;
  const Config& config = invocation.config;
  EXPECT_EQ(config.backend.kind, "cpu");
  EXPECT_EQ(config.backend.threads, 3);
  EXPECT_EQ(config.batching.max_batch, 7);
  EXPECT_EQ(config.batching.max_delay.count(), 250);
  EXPECT_EQ(config.batching.max_queue, 9);
  EXPECT_EQ(config.limits.max_message_bytes, 2 << 20);
  EXPECT_EQ(config.memory_budget_bytes, 5 << 20);
  EXPECT_EQ(config.response_cache_bytes, 2 << 20);
  EXPECT_EQ(config.log_format, rpc::LogFormat::kJson);
  EXPECT_EQ(config.drain_seconds, 1);
  EXPECT_EQ(config.lame_duck_seconds, 2);
  EXPECT_EQ(config.limits.max_structure_bytes, 3 << 10);
  EXPECT_EQ(config.limits.max_steps, 11);
  EXPECT_EQ(config.limits.network.max_neurons, 12);
  EXPECT_EQ(config.max_streams, 13);
  EXPECT_EQ(config.max_transport_bytes, 16 << 20);
  EXPECT_EQ(config.limits.upload_idle_seconds, 14);
  EXPECT_EQ(config.limits.write_idle_seconds, 15);
}

TEST(Flags, SayWhenNetworksAreLoadedAndWhichStay) {
  EXPECT_FALSE(Parse({}).config.residency.on_demand);
  const Invocation invocation = Parse({"--network-repository", "d", "--load-networks", "on-demand", "--pin",
                                       "a:3,b", "--pin", "c", "--load-wait-seconds", "5"});
  const serving::ResidencyOptions& residency = invocation.config.residency;
  EXPECT_TRUE(residency.on_demand);
  EXPECT_EQ(residency.max_wait, std::chrono::seconds(5));
  ASSERT_EQ(residency.pins.size(), 3U);
  EXPECT_EQ(residency.pins[0].name, "a");
  EXPECT_EQ(residency.pins[0].version, 3);
  EXPECT_EQ(residency.pins[2].name, "c");
  EXPECT_THAT(Parse({"--load-networks", "on-demand"}).text,
              ::testing::HasSubstr("on-demand requires --network-repository"));
  EXPECT_THAT(Parse({"--pin", "a"}).text, ::testing::HasSubstr("--pin requires --load-networks on-demand"));
}

TEST(Flags, ComeFromTheEnvironmentToo) {
  setenv("SPIKESERVE_MAX_BATCH", "5", 1);
  setenv("SPIKESERVE_MAX_MESSAGE_MB", "6", 1);
  EXPECT_EQ(Parse({}).config.batching.max_batch, 5);
  EXPECT_EQ(Parse({}).config.limits.max_message_bytes, 6 << 20);
  EXPECT_EQ(Parse({"--max-batch", "4"}).config.batching.max_batch, 4);
  setenv("SPIKESERVE_MAX_BATCH", "many", 1);
  EXPECT_EQ(Parse({}).exit_code, 2);
  unsetenv("SPIKESERVE_MAX_BATCH");
  unsetenv("SPIKESERVE_MAX_MESSAGE_MB");
}

TEST(Flags, ABadOneIsOneLineAndAnExitCode) {
  for (const std::vector<const char*>& flags : {std::vector<const char*>{"--max-batch", "0"},
                                                {"--listen", "127.0.0.1:99999"},
                                                {"--listen", "127.0.0.1"},
                                                {"--healthcheck", "localhost"},
                                                {"--metrics-listen", "0.0.0.0:-1"},
                                                {"--http-listen", "0.0.0.0:65536"},
                                                {"--http-threads", "0"},
                                                {"--max-batch", "x"},
                                                {"--backend", "tpu"},
                                                {"--unknown"},
                                                {"--load-networks", "never"},
                                                {"--pin", "a:x"},
                                                {"--tls-cert", "a"},
                                                {"--tls-key", "a"},
                                                {"--tls-client-ca", "a"},
                                                {"--log-format", "xml"},
                                                {"stray"},
                                                {"--max-message-mb", "4096"},
                                                {"--listen"}}) {
    const Invocation invocation = Parse(flags);
    EXPECT_EQ(invocation.exit_code, 2) << flags[0];
    EXPECT_EQ(std::count(invocation.text.begin(), invocation.text.end(), '\n'), 1) << invocation.text;
    EXPECT_THAT(invocation.text, ::testing::StartsWith("spikeserve-server: "));
  }
}

TEST(Flags, HelpGroupsThemAndNamesTheirVariables) {
  const Invocation invocation = Parse({"--help"});
  EXPECT_EQ(invocation.exit_code, 0);
  EXPECT_THAT(invocation.text,
              AllOf(HasSubstr("Serving:"), HasSubstr("Computing:"), HasSubstr("Limits of a request:"),
                    HasSubstr("Limits of a network:"), HasSubstr("Security:"), HasSubstr("Observing:")));
  EXPECT_THAT(invocation.text, HasSubstr("SPIKESERVE_MAX_BATCH_DELAY_US"));
}

TEST(Flags, VersionIsPrinted) {
  const Invocation invocation = Parse({"--version"});
  EXPECT_EQ(invocation.exit_code, 0);
  EXPECT_THAT(invocation.text, ::testing::StartsWith("spikeserve-server "));
}

TEST(Flags, TheEffectiveOnesAreListed) {
  const Invocation invocation = Parse({"--max-batch", "7"});
  EXPECT_THAT(invocation.effective,
              ::testing::Contains(std::pair<std::string, std::string>("max-batch", "7")));
  EXPECT_THAT(invocation.effective,
              ::testing::Contains(std::pair<std::string, std::string>("max-queue", "8192")));
}

}  // namespace
}  // namespace spikeserve::app
