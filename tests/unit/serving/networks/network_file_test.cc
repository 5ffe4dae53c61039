#include "server/serving/networks/network_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/serving/sha256.h"

namespace spikeserve::serving {
namespace {

using ::testing::HasSubstr;

std::string File(const std::string& payload, engine::Mode mode = engine::Mode::kExact) {
  return EncodeNetworkFileHeader(mode, static_cast<std::int64_t>(payload.size()), Sha256(payload)) + payload;
}

void ExpectDamaged(const std::string& bytes, const std::string& why) {
  const auto decoded = DecodeNetworkFile(bytes);
  ASSERT_FALSE(decoded.ok()) << why;
  EXPECT_EQ(decoded.status().code(), StatusCode::kDataLoss);
  EXPECT_THAT(decoded.status().message(), HasSubstr(why));
}

TEST(NetworkFile, ComesBackAsItWas) {
  for (const engine::Mode mode :
       {engine::Mode::kExact, engine::Mode::kReference, engine::Mode::kFast, engine::Mode::kInt8}) {
    const auto decoded = DecodeNetworkFile(File("payload", mode));
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded.value().payload, "payload");
    EXPECT_EQ(decoded.value().sha256, Sha256("payload"));
    EXPECT_EQ(decoded.value().mode, mode);
  }
}

TEST(NetworkFile, HeaderIsAsDocumented) {
  const std::string file = File("ab");
  EXPECT_EQ(file.substr(0, 24), std::string("SPKNET\r\n\1\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0", 24));
  EXPECT_EQ(file.substr(24, 32), Sha256("ab"));
  EXPECT_EQ(file.substr(56), "ab");
}

TEST(NetworkFile, HeaderHasTheNumberOfTheMode) {
  EXPECT_EQ(File("", engine::Mode::kExact)[12], 1);
  EXPECT_EQ(File("", engine::Mode::kReference)[12], 2);
  EXPECT_EQ(File("", engine::Mode::kFast)[12], 3);
}

TEST(NetworkFile, SaysWhatIsDamaged) {
  const std::string good = File("payload");
  ExpectDamaged("", "bytes of the header: got 0, wanted 56");
  ExpectDamaged(good.substr(0, 55), "bytes of the header: got 55");
  std::string bad = good;
  bad[6] = '\n';  // what a transfer in text mode does
  ExpectDamaged(bad, "wrong magic");
  bad = good;
  bad[8] = 2;
  ExpectDamaged(bad, "format version: got 2, wanted 1");
  bad = good;
  bad[12] = 5;
  ExpectDamaged(bad, "mode: got 5, wanted 0..4: exact (0 or 1), reference, fast, int8");
  ExpectDamaged(good.substr(0, good.size() - 1), "payload bytes: got 6, wanted 7");
  ExpectDamaged(good + "x", "payload bytes: got 8, wanted 7");
  bad = good;
  bad.back() ^= 1;
  ExpectDamaged(bad, "SHA-256");
  bad = good;
  bad[23] = '\x7f';  // announces 2^62 bytes
  ExpectDamaged(bad, "payload bytes: got 7");
}

TEST(NetworkFile, DigestIsSha256) {
  EXPECT_EQ(ToHex(Sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace spikeserve::serving
