#include "server/engine/network/names.h"

#include <algorithm>
#include <string_view>

#include "server/base/quote.h"

namespace spikeserve::engine {

bool IsName(const std::string& name) {
  constexpr std::string_view kOther = "._/:-";
  return !name.empty() && name.size() <= kMaxNameLength && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kOther.find(c) != std::string_view::npos;
  });
}

std::string Quote(const std::string& name) { return spikeserve::Quote(name, '\''); }

}  // namespace spikeserve::engine
