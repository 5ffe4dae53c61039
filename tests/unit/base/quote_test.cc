#include "server/base/quote.h"

#include <gtest/gtest.h>

#include <string>

namespace spikeserve {
namespace {

TEST(Quote, HidesControlCharactersAndCutsLongText) {
  EXPECT_EQ(Quote("plain"), "\"plain\"");
  EXPECT_EQ(Quote("a\n\"\x7f"), "\"a???\"");
  EXPECT_EQ(Quote(std::string(200, 'x')), "\"" + std::string(128, 'x') + "...\"");
}

TEST(Quote, InSingleQuotesHidesNoOtherQuotes) {
  EXPECT_EQ(Quote("a\n\"'", '\''), "'a?\"''");
  EXPECT_EQ(Quote(std::string(200, 'x'), '\''), "'" + std::string(128, 'x') + "...'");
}

}  // namespace
}  // namespace spikeserve
