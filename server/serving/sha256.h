#pragma once

#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace spikeserve::serving {

// The 32 bytes of the SHA-256 of `data`.
std::string Sha256(std::string_view data);

// The same of data that comes in pieces. Throws where the library has no memory for it.
class Sha256Stream {
 public:
  Sha256Stream();

  void Add(std::string_view piece);
  // The 32 bytes; nothing can be added afterwards.
  std::string Finish() &&;

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };

  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

// Bytes as lower-case hexadecimal digits.
std::string ToHex(std::string_view bytes);

}  // namespace spikeserve::serving
