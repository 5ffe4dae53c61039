#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/base/status.h"

namespace spikeserve::serving {

struct ConfigMember;

// A value of a JSON file, and the line that it stands in.
struct ConfigNode {
  using Items = std::vector<ConfigNode>;
  using Members = std::vector<ConfigMember>;

  int line = 1;                                                                   // where it begins
  std::variant<std::monostate, bool, double, std::string, Items, Members> value;  // monostate: null
};

// One member of an object; no name comes twice in it.
struct ConfigMember {
  std::string name;
  ConfigNode node;
};

// A file that people write: nested at most this deep, of so many values.
inline constexpr std::size_t kMaxConfigDepth = 8;
inline constexpr std::size_t kMaxConfigValues = 100'000;

// INVALID_ARGUMENT with the line for what is no JSON, goes beyond these limits, or has a name twice in one
// object, of which nobody knows which one holds.
Result<ConfigNode> ParseConfig(std::string_view text);

// "a string", for messages.
std::string_view KindOf(const ConfigNode& node);

}  // namespace spikeserve::serving
