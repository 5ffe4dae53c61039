#include "server/serving/sha256.h"

#include <gtest/gtest.h>

#include <string_view>

namespace spikeserve::serving {
namespace {

TEST(Sha256, IsTheHashOfTheStandard) {
  EXPECT_EQ(ToHex(Sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256Stream, IsTheSameInPieces) {
  const std::string data(100'000, 'x');
  Sha256Stream stream;
  for (std::size_t at = 0; at < data.size(); at += 777) {
    stream.Add(std::string_view(data).substr(at, 777));
  }
  EXPECT_EQ(std::move(stream).Finish(), Sha256(data));
  EXPECT_EQ(Sha256Stream().Finish(), Sha256(""));
}

}  // namespace
}  // namespace spikeserve::serving
