#include "server/serving/names.h"

#include <algorithm>

namespace spikeserve::serving {
namespace {

// Not isalnum(): that depends on the locale.
bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-';
}

}  // namespace

bool IsValidName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), IsNameCharacter);
}

bool IsValidAlias(std::string_view alias) {
  return IsValidName(alias) &&
         !std::all_of(alias.begin(), alias.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string_view NetworkOf(std::string_view name) { return name.substr(0, name.find('@')); }

bool IsValidReference(std::string_view name) {
  const std::size_t at = name.find('@');
  return IsValidName(NetworkOf(name)) && (at == std::string_view::npos || IsValidAlias(name.substr(at + 1)));
}

}  // namespace spikeserve::serving
