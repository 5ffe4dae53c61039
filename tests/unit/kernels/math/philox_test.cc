#include "kernels/math/philox.h"

#include <gtest/gtest.h>

namespace spikeserve::math {
namespace {

// Known answers of the authors' reference implementation.
TEST(Philox, KnownAnswers) {
  const PhiloxBlock zeros = Philox({{0, 0, 0, 0}}, 0, 0);
  EXPECT_EQ(zeros.word[0], 0x6627e8d5U);
  EXPECT_EQ(zeros.word[1], 0xe169c58dU);
  EXPECT_EQ(zeros.word[2], 0xbc57ac4cU);
  EXPECT_EQ(zeros.word[3], 0x9b00dbd8U);
}

TEST(Philox, UnitFloatsAreBelowOne) {
  EXPECT_EQ(UnitFloat(0), 0.0F);
  EXPECT_LT(UnitFloat(0xffffffffU), 1.0F);
}

}  // namespace
}  // namespace spikeserve::math
