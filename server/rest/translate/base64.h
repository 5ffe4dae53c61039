#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace spikeserve::rest {

// The bytes of base64 (RFC 4648, padded, without white space); none where it is something else.
std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace spikeserve::rest
