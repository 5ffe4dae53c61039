#pragma once

#include <string>
#include <string_view>

namespace spikeserve::serving {

// The 32 bytes of the SHA-256 of `data`.
std::string Sha256(std::string_view data);

// Bytes as lower-case hexadecimal digits.
std::string ToHex(std::string_view bytes);

}  // namespace spikeserve::serving
