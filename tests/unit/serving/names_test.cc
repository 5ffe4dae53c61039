#include "server/serving/names.h"

#include <gtest/gtest.h>

#include <string>

namespace spikeserve::serving {
namespace {

TEST(Names, TakesLettersDigitsDotsDashesAndUnderscores) {
  for (const char* name : {"a", "Fashion-MNIST_v1.2", "0", "-x", "_", "a..b"}) {
    EXPECT_TRUE(IsValidName(name)) << name;
  }
  EXPECT_TRUE(IsValidName(std::string(128, 'x')));
}

TEST(Names, RefusesWhatIsNotSafeAsAFolder) {
  for (const char* name : {"", ".", "..", ".hidden", "a/b", "a\\b", "a b", "a\n", "\xc3\xa4", "a:b"}) {
    EXPECT_FALSE(IsValidName(name)) << name;
  }
  EXPECT_FALSE(IsValidName(std::string("a\0b", 3)));
  EXPECT_FALSE(IsValidName(std::string(129, 'x')));
}

}  // namespace
}  // namespace spikeserve::serving
