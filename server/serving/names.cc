#include "server/serving/names.h"

#include <algorithm>
#include <cstddef>

namespace spikeserve::serving {
namespace {

constexpr std::size_t kMaxName = 128;

// Not isalnum(): that depends on the locale.
bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

}  // namespace

bool IsValidName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), IsNameCharacter);
}

std::string Quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text.substr(0, kMaxName)) {
    quoted += (c >= ' ' && c <= '~' && c != '"') ? c : '?';
  }
  return quoted + (text.size() > kMaxName ? "...\"" : "\"");
}

}  // namespace spikeserve::serving
