#include "server/rest/translate/json_document.h"

#include <gmock/gmock.h>

#include <string>

namespace spikeserve::rest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Refusal(const std::string& text) {
  const auto document = ParseJson(text);
  EXPECT_FALSE(document.ok()) << text;
  EXPECT_EQ(document.status().code(), StatusCode::kInvalidArgument);
  return document.status().message();
}

const JsonValue& Member(const JsonDocument& document, std::string_view name) {
  return *FindMember(std::get<JsonObject>(document.root.value), name);
}

TEST(JsonDocument, KeepsNestedNumbersFlatWithTheirShape) {
  const auto document = ParseJson(R"({"a": [[[1, 2.5], [3, -4]]], "b": [7]})");
  ASSERT_TRUE(document.ok()) << document.status().message();
  const auto& a = std::get<NumberList>(Member(document.value(), "a").value);
  EXPECT_THAT(a.shape, ElementsAre(1, 2, 2));
  const auto& b = std::get<NumberList>(Member(document.value(), "b").value);
  EXPECT_THAT(b.shape, ElementsAre(1));
  EXPECT_EQ(b.begin, a.end);
  EXPECT_THAT(document.value().numbers, ElementsAre(1, 2.5, 3, -4, 7));
}

TEST(JsonDocument, KeepsWholeNumbersOfMembersWhole) {
  const auto document =
      ParseJson(R"({"a": -3, "b": 18446744073709551615, "c": 10.0, "d": 9007199254740993})");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(std::get<std::int64_t>(Member(document.value(), "a").value), -3);
  EXPECT_EQ(std::get<std::uint64_t>(Member(document.value(), "b").value), UINT64_MAX);
  EXPECT_EQ(std::get<double>(Member(document.value(), "c").value), 10.0);
  EXPECT_EQ(std::get<std::int64_t>(Member(document.value(), "d").value), 9007199254740993);
}

TEST(JsonDocument, TakesNullForAbsentAndEmptyListsForNumbers) {
  const auto document = ParseJson(R"({"a": null, "b": [], "c": [{"d": [1]}, {}]})");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(FindMember(std::get<JsonObject>(document.value().root.value), "a"), nullptr);
  EXPECT_THAT(std::get<NumberList>(Member(document.value(), "b").value).shape, ElementsAre(0));
  EXPECT_EQ(std::get<JsonList>(Member(document.value(), "c").value).size(), 2U);
}

TEST(JsonDocument, RefusesWhatIsNoJson) {
  EXPECT_THAT(Refusal(""), HasSubstr("no JSON at byte"));
  EXPECT_THAT(Refusal("{"), HasSubstr("no JSON at byte"));
  EXPECT_THAT(Refusal("{} x"), HasSubstr("no JSON at byte"));
  EXPECT_THAT(Refusal("[1,]"), HasSubstr("no JSON at byte"));
  EXPECT_THAT(Refusal("[NaN]"), HasSubstr("no JSON at byte"));
  EXPECT_THAT(Refusal("{\"a\": \"\xff\"}"), HasSubstr("no JSON at byte"));
  EXPECT_THAT(Refusal("[1e999]"), HasSubstr("no JSON at byte"));
  EXPECT_LT(Refusal("\"" + std::string(1 << 20, 'x')).size(), 400U);
}

TEST(JsonDocument, SaysWhereListsAreMixedOrRagged) {
  EXPECT_EQ(Refusal(R"({"a": [{"data": [1, "x"]}]})"),
            "the body: a[0].data: numbers and a string in one list");
  EXPECT_THAT(Refusal(R"({"a": [1, [2]]})"), HasSubstr("a: numbers and lists in one list"));
  EXPECT_THAT(Refusal(R"({"a": [[1], 2]})"), HasSubstr("a: numbers and lists in one list"));
  EXPECT_THAT(Refusal(R"({"a": [[1, 2], [3]]})"), HasSubstr("a: lists of 2 and of 1 elements"));
  EXPECT_THAT(Refusal(R"({"a": [[[1]], []]})"), HasSubstr("a: lists of 1 and of 0 elements"));
  EXPECT_THAT(Refusal(R"({"a": [1, {}]})"), HasSubstr("a: numbers and other things"));
}

TEST(JsonDocument, HasLimits) {
  EXPECT_TRUE(ParseJson(std::string(kMaxJsonDepth, '[') + std::string(kMaxJsonDepth, ']')).ok());
  EXPECT_THAT(Refusal(std::string(1'000'000, '[')), HasSubstr("nested deeper than 32"));
  EXPECT_THAT(Refusal("{\"a\": 1, \"b\": 2, \"a\": 3}"), HasSubstr("member \"a\" comes twice"));
  std::string many = "[\"\"";
  for (std::size_t i = 0; i < kMaxJsonValues; ++i) {
    many += ",\"\"";
  }
  EXPECT_THAT(Refusal(many + "]"), HasSubstr("more than 32768 values"));
  std::string members = "{\"x\":0";
  for (std::size_t i = 0; i < kMaxJsonMembers; ++i) {
    members += ",\"" + std::to_string(i) + "\":0";
  }
  EXPECT_THAT(Refusal(members + "}"), HasSubstr("more than 1024 members"));
}

TEST(JsonDocument, CountsWhatItTakes) {
  const std::string numbers = "{\"a\":[1,2,3,4,5,6,7,8]}";
  EXPECT_GE(JsonBytes(numbers), 8 * 8 + static_cast<std::int64_t>(numbers.size()));
  EXPECT_GE(JsonBytes(R"([{},{},{}])"), 3 * 200);
}

}  // namespace
}  // namespace spikeserve::rest
