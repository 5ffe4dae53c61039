#include "server/base/request_id.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace spikeserve {
namespace {

TEST(IsRequestId, TakesWhatIsSafeInHeadersAndLogs) {
  for (const char* id : {"a", "0af7651916cd43dd", "order-7", "a.b_c:d/e+f=g@h"}) {
    EXPECT_TRUE(IsRequestId(id)) << id;
  }
  EXPECT_TRUE(IsRequestId(std::string(128, 'x')));
}

TEST(IsRequestId, RefusesOthers) {
  for (const char* id : {"", " ", "a b", "a\n", "a\"", "\xc3\xa4", "<x>", "a;b"}) {
    EXPECT_FALSE(IsRequestId(id)) << id;
  }
  EXPECT_FALSE(IsRequestId(std::string(129, 'x')));
}

TEST(IdSource, MakesIdsThatDiffer) {
  IdSource ids;
  IdSource others;
  std::set<std::string> seen;
  for (int i = 0; i < 10'000; ++i) {
    const std::string id = ids.NewId();
    EXPECT_EQ(id.size(), 32U);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_TRUE(seen.insert(id).second);
    EXPECT_TRUE(seen.insert(others.NewId()).second);
    EXPECT_TRUE(seen.insert(ids.NewSpanId()).second);
  }
  EXPECT_EQ(ids.NewSpanId().size(), 16U);
}

}  // namespace
}  // namespace spikeserve
