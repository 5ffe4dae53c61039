#include "server/rpc/context/call_identity.h"

#include <gtest/gtest.h>

#include <string>

namespace spikeserve::rpc {
namespace {

constexpr const char* kTrace = "0af7651916cd43dd8448eb211c80319c";
constexpr const char* kSpan = "b7ad6b7169203331";

std::string Header(const std::string& version, const std::string& flags) {
  return version + "-" + kTrace + "-" + kSpan + "-" + flags;
}

TEST(ParseTraceParent, ReadsTraceSpanAndFlag) {
  const auto parent = ParseTraceParent(Header("00", "01"));
  ASSERT_TRUE(parent.has_value());
  EXPECT_EQ(parent->trace_id, kTrace);
  EXPECT_EQ(parent->span_id, kSpan);
  EXPECT_TRUE(parent->sampled);
  EXPECT_FALSE(ParseTraceParent(Header("00", "00"))->sampled);
  EXPECT_FALSE(ParseTraceParent(Header("00", "02"))->sampled);
  EXPECT_TRUE(ParseTraceParent(Header("00", "ff"))->sampled);
}

TEST(ParseTraceParent, ALaterVersionMayHaveMore) {
  EXPECT_TRUE(ParseTraceParent(Header("01", "01")).has_value());
  EXPECT_TRUE(ParseTraceParent(Header("cc", "01") + "-more").has_value());
  EXPECT_FALSE(ParseTraceParent(Header("cc", "01") + "more").has_value());
}

TEST(ParseTraceParent, RefusesWhatTheRulesDo) {
  const std::string zeros(32, '0');
  const std::string trace(kTrace);
  const std::string span(kSpan);
  const std::string good = Header("00", "01");
  for (const std::string& header :
       {std::string(), std::string("00"), good + "-more", good.substr(0, good.size() - 1), Header("ff", "01"),
        Header("0x", "01"), Header("00", "0g"), "00-" + zeros + "-" + span + "-01",
        "00-" + trace + "-" + zeros.substr(16) + "-01", "00_" + trace + "-" + span + "-01",
        "00-" + trace + "_" + span + "-01", "00-" + trace + "-" + span + "_01",
        "00-" + std::string("0AF7651916CD43DD8448EB211C80319C") + "-" + span + "-01"}) {
    EXPECT_FALSE(ParseTraceParent(header).has_value()) << header;
  }
}

}  // namespace
}  // namespace spikeserve::rpc
