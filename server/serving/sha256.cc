#include "server/serving/sha256.h"

#include <openssl/sha.h>

#include <array>

namespace spikeserve::serving {

std::string Sha256(std::string_view data) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(data.data()), data.size(), digest.data());
  return std::string(digest.begin(), digest.end());
}

std::string ToHex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    hex += kDigits[byte / 16U];
    hex += kDigits[byte % 16U];
  }
  return hex;
}

}  // namespace spikeserve::serving
