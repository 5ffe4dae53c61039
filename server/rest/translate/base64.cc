#include "server/rest/translate/base64.h"

#include <openssl/evp.h>

#include <algorithm>
#include <limits>

namespace spikeserve::rest {

std::optional<std::string> DecodeBase64(std::string_view text) {
  constexpr std::size_t kCharacters = 4;  // hold
  constexpr std::size_t kBytes = 3;
  if (text.size() % kCharacters != 0 || text.size() > std::numeric_limits<int>::max() ||
      text.find_first_of(" \t\r\n-") !=
          std::string_view::npos) {  // OpenSSL skips white space, ends at a dash
    return std::nullopt;
  }
  std::string bytes(text.size() / kCharacters * kBytes, '\0');
  const int length =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (length < 0) {
    return std::nullopt;
  }
  const std::size_t padding = text.size() - std::min(text.find('='), text.size());
  if (padding >= kBytes || text.find_first_not_of('=', text.size() - padding) != std::string_view::npos) {
    return std::nullopt;
  }
  bytes.resize(static_cast<std::size_t>(length) - padding);
  return bytes;
}

}  // namespace spikeserve::rest
