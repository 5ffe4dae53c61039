#include "server/serving/sha256.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <array>
#include <stdexcept>

namespace spikeserve::serving {
namespace {

void Require(bool done) {
  if (!done) {
    throw std::runtime_error("SHA-256 cannot be computed");
  }
}

}  // namespace

std::string Sha256(std::string_view data) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(data.data()), data.size(), digest.data());
  return std::string(digest.begin(), digest.end());
}

void Sha256Stream::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256Stream::Sha256Stream() : context_(EVP_MD_CTX_new()) {
  Require(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}

void Sha256Stream::Add(std::string_view piece) {
  Require(EVP_DigestUpdate(context_.get(), piece.data(), piece.size()) == 1);
}

std::string Sha256Stream::Finish() && {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  Require(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1);
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
