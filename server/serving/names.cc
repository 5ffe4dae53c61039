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

}  // namespace spikeserve::serving
