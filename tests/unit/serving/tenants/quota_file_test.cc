#include "server/serving/tenants/quota_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/serving/sha256.h"

namespace spikeserve::serving {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Problems(const std::string& text) {
  const auto file = ParseQuotaFile(text);
  EXPECT_FALSE(file.ok()) << text;
  EXPECT_EQ(file.status().code(), StatusCode::kInvalidArgument);
  return file.status().message();
}

// A file of one tenant with these members beside its name and its token.
std::string OneTenant(const std::string& members) {
  return R"({"tenants": [{"name": "a", "callers": [{"token": "t"}], )" + members + "}]}";
}

TEST(QuotaFile, SaysWhoThereIs) {
  const std::string digest = ToHex(Sha256("other"));
  const auto parsed = ParseQuotaFile(R"({"tenants": [
    {"name": "vision", "callers": [{"token": "secret"}, {"sha256": ")" +
                                     digest + R"(", "scope": "admin"}],
     "weight": 2.5, "max_priority": 1,
     "quotas": {"requests": 8, "queued_bytes": 100, "samples_per_second": 0.5, "samples_burst": 20,
                "networks": 3, "network_bytes": 4096}},
    {"name": "guests", "callers": "default"}]})");
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  const QuotaFile& file = parsed.value();
  ASSERT_EQ(file.tenants.size(), 2U);
  const QuotaFile::Entry& vision = file.tenants[0];
  EXPECT_EQ(vision.name, "vision");
  ASSERT_EQ(vision.callers.size(), 2U);
  EXPECT_EQ(vision.callers[0].sha256, Sha256("secret"));
  EXPECT_FALSE(vision.callers[0].admin);
  EXPECT_EQ(vision.callers[1].sha256, Sha256("other"));
  EXPECT_TRUE(vision.callers[1].admin);
  EXPECT_EQ(vision.rules.weight, 2.5);
  EXPECT_EQ(vision.rules.max_priority, 1);
  EXPECT_EQ(vision.rules.limits.requests, 8);
  EXPECT_EQ(vision.rules.limits.queued_bytes, 100);
  EXPECT_EQ(vision.rules.limits.samples_per_second, 0.5);
  EXPECT_EQ(vision.rules.limits.samples_burst, 20);
  EXPECT_EQ(vision.rules.limits.networks, 3);
  EXPECT_EQ(vision.rules.limits.network_bytes, 4096);
  EXPECT_EQ(file.Default(), &file.tenants[1]);
  EXPECT_EQ(file.Default()->rules.weight, 1);
  EXPECT_FALSE(file.Default()->rules.limits.requests.has_value());
}

TEST(QuotaFile, ABurstIsASecondsWorth) {
  const auto parsed = ParseQuotaFile(OneTenant(R"("quotas": {"samples_per_second": 2.5})"));
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed.value().tenants[0].rules.limits.samples_burst, 3);
}

TEST(QuotaFile, NobodyIsAFileToo) {
  const auto parsed = ParseQuotaFile(R"({"tenants": []})");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed.value().Default(), nullptr);
  EXPECT_FALSE(parsed.value().has_callers());
}

TEST(QuotaFile, EverythingThatIsWrongIsNamedWithItsLine) {
  const std::string problems = Problems(R"({"tenants": [
    {"name": "a b", "callers": [{"token": "t"}],
     "weight": -1,
     "quotas": {"requests": 1.5,
                "smaples": 3}},
    {"name": "c", "callers": []},
    {"callers": [{"token": "t"}],
     "max_priority": "high"}
  ],
  "version": 1})");
  EXPECT_THAT(problems, HasSubstr("9 problems:"));
  EXPECT_THAT(problems, HasSubstr("- line 2: tenants[0].name: got \"a b\", allowed [A-Za-z0-9._-]{1,128}"));
  EXPECT_THAT(problems, HasSubstr("- line 3: tenants[0].weight: got -1, allowed 0.001 to 1000"));
  EXPECT_THAT(problems, HasSubstr("- line 4: tenants[0].quotas.requests: got 1.5, wanted a whole number"));
  EXPECT_THAT(problems,
              HasSubstr("- line 5: tenants[0].quotas: got a member \"smaples\", allowed requests, "));
  EXPECT_THAT(problems,
              HasSubstr("- line 6: tenants[1].callers: got an empty list, wanted a list of tokens"));
  EXPECT_THAT(problems, HasSubstr("- line 7: tenants[2].name: got none, wanted one"));
  EXPECT_THAT(
      problems,
      HasSubstr("- line 7: tenants[2].callers[0]: got the token of tenants[0].callers[0], allowed once"));
  EXPECT_THAT(problems, HasSubstr("- line 8: tenants[2].max_priority: got a string, allowed 0 to 3"));
  EXPECT_THAT(problems, HasSubstr("- line 10: got a member \"version\", allowed tenants"));
}

TEST(QuotaFile, ATokenIsNotRepeatedInAMessage) {
  const std::string problems = Problems(
      R"({"tenants": [{"name": "a", "callers": [{"token": "my secret"}, {"sha256": "secret"}, {}]}]})");
  EXPECT_THAT(
      problems,
      AllOf(HasSubstr("callers[0].token: got 9 bytes, wanted one or more visible characters"),
            HasSubstr("callers[1].sha256: got 6 characters, wanted"),
            HasSubstr("callers[2]: got no token, wanted \"token\" or \"sha256\""), Not(HasSubstr("secret"))));
}

TEST(QuotaFile, NamesAreThoseOfOneTenant) {
  EXPECT_THAT(Problems(R"({"tenants": [{"name": "a", "callers": [{"token": "t"}]},
                                       {"name": "a", "callers": [{"token": "u"}]}]})"),
              HasSubstr("tenants[1].name: got \"a\" a second time"));
  EXPECT_THAT(Problems(R"({"tenants": [{"name": "default", "callers": [{"token": "t"}]}]})"),
              HasSubstr("which is kept for the tenant with \"callers\": \"default\""));
  EXPECT_THAT(Problems(R"({"tenants": [{"name": "token-1", "callers": [{"token": "t"}]}]})"),
              HasSubstr("does not begin with \"token-\""));
  EXPECT_THAT(
      Problems(R"({"tenants": [{"name": "a", "callers": "default"}, {"name": "b", "callers": "default"}]})"),
      HasSubstr("tenants[1].callers: got \"default\", which tenants[0].callers is already"));
}

TEST(QuotaFile, LimitsHaveTheirRanges) {
  EXPECT_TRUE(ParseQuotaFile(OneTenant(R"("weight": 1000, "max_priority": 3)")).ok());
  EXPECT_THAT(Problems(OneTenant(R"("weight": 1001)")), HasSubstr("got 1001, allowed 0.001 to 1000"));
  EXPECT_THAT(Problems(OneTenant(R"("max_priority": 4)")), HasSubstr("got 4, allowed 0 to 3"));
  EXPECT_TRUE(ParseQuotaFile(OneTenant(R"("quotas": {"requests": 0, "networks": 0})")).ok());
  EXPECT_THAT(Problems(OneTenant(R"("quotas": {"networks": -1})")), HasSubstr("allowed 0 to 1000000000"));
  EXPECT_THAT(Problems(OneTenant(R"("quotas": {"samples_per_second": 0})")),
              HasSubstr("got 0, allowed 0.001"));
  EXPECT_THAT(Problems(OneTenant(R"("quotas": {"samples_burst": 5})")),
              HasSubstr("quotas.samples_burst: wants samples_per_second beside it"));
  EXPECT_THAT(Problems(OneTenant(R"("quotas": [1])")),
              HasSubstr("tenants[0].quotas: got a list, wanted an object"));
}

TEST(QuotaFile, WhatIsNoJsonIsNamedByItsLine) {
  EXPECT_THAT(Problems("{\"tenants\": [\n\n  {]}"), HasSubstr("line 3: no JSON: "));
  EXPECT_THAT(Problems("{\"tenants\": [],\n \"tenants\": []}"), HasSubstr("line 2: \"tenants\" comes twice"));
  EXPECT_THAT(Problems("[[[[[[[[[1]]]]]]]]]"), HasSubstr("line 1: nested deeper than 8"));
  EXPECT_THAT(Problems("[]"), HasSubstr("line 1: got a list, wanted an object"));
  EXPECT_THAT(Problems(""), HasSubstr("no JSON"));
}

TEST(QuotaFile, AByteOrderMarkIsRefusedByName) {
  EXPECT_THAT(Problems("\xEF\xBB\xBF{\"tenants\": []}"), HasSubstr("a byte-order mark (EF BB BF, UTF-8)"));
  EXPECT_THAT(Problems(std::string("\xFF\xFE{\0", 4)), HasSubstr("a byte-order mark (UTF-16)"));
}

TEST(QuotaFile, ThereAreNotTooMany) {
  std::string text = "{\"tenants\": [";
  for (std::size_t i = 0; i <= kMaxTenants; ++i) {
    const std::string number = std::to_string(i);
    text += (i == 0 ? "" : ",") +
            ("{\"name\": \"n" + number + "\", \"callers\": [{\"token\": \"t" + number + "\"}]}");
  }
  EXPECT_THAT(Problems(text + "]}"), HasSubstr("tenants: got 257, allowed 256"));
}

}  // namespace
}  // namespace spikeserve::serving
