#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace spikeserve {

inline constexpr std::size_t kMaxQuotedBytes = 128;

// What a client sent, as it may stand in a message: between two `mark`s, cut short, control characters
// replaced, and double quotes where they would end the text.
inline std::string Quote(std::string_view text, char mark = '"') {
  std::string quoted(1, mark);
  for (const char c : text.substr(0, kMaxQuotedBytes)) {
    const bool ends = c == '"' && mark == '"';
    quoted += c >= ' ' && c <= '~' && !ends ? c : '?';
  }
  return quoted + (text.size() > kMaxQuotedBytes ? "..." : "") + mark;
}

}  // namespace spikeserve
